"""Several processes, on GPUs and, over gloo, on CPUs."""

import datetime
import logging
import os
import subprocess
from collections.abc import Mapping

import torch
import torch.distributed as torch_dist
from mmengine.dist import get_world_size
from mmengine.logging import print_log
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from llm_mde_mm.utils.errors import ConfigError


def start_gloo(launcher: str, dist_cfg: Mapping | None) -> None:
    """Start the process group over gloo where there is no GPU.

    MMEngine's own start reaches for a CUDA device whatever the backend, and
    leaves alone a group that is there.

    Args:
        launcher (str): 'none', 'pytorch', 'slurm' or 'mpi'.
        dist_cfg (Mapping | None): ``env_cfg.dist_cfg`` of the config, of
            which the ``timeout`` in seconds is read.
    """
    if (
        launcher == 'none'
        or torch.cuda.is_available()
        or torch_dist.is_initialized()
    ):
        return
    # srun and mpirun name rank and size by other words than torchrun.
    if launcher == 'slurm':
        _slurm_to_torchrun()
    elif launcher == 'mpi':
        _mpi_to_torchrun()
    seconds = (dist_cfg or {}).get('timeout')
    torch_dist.init_process_group(
        backend='gloo',
        timeout=seconds and datetime.timedelta(seconds=seconds),
    )


def _slurm_to_torchrun() -> None:
    nodes = os.environ['SLURM_NODELIST']
    first = subprocess.run(
        ['scontrol', 'show', 'hostname', nodes],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()[0]
    os.environ.setdefault('MASTER_ADDR', first)
    os.environ.setdefault('MASTER_PORT', '29500')
    os.environ['RANK'] = os.environ['SLURM_PROCID']
    os.environ['WORLD_SIZE'] = os.environ['SLURM_NTASKS']
    os.environ['LOCAL_RANK'] = os.environ['SLURM_LOCALID']


def _mpi_to_torchrun() -> None:
    os.environ.setdefault('MASTER_ADDR', '127.0.0.1')
    os.environ.setdefault('MASTER_PORT', '29500')
    os.environ['RANK'] = os.environ['OMPI_COMM_WORLD_RANK']
    os.environ['WORLD_SIZE'] = os.environ['OMPI_COMM_WORLD_SIZE']
    os.environ['LOCAL_RANK'] = os.environ['OMPI_COMM_WORLD_LOCAL_RANK']


def check_norm_layers(model: nn.Module) -> None:
    """See that the norm layers work in several processes.

    Plain batch norm does, with a warning: its statistics are not shared.

    Args:
        model (nn.Module): Not yet wrapped.

    Raises:
        ConfigError: If there are SyncBN layers and several processes on CPUs;
            torch synchronises them on GPUs only.
    """
    if get_world_size() == 1:
        return
    shared: list[str] = []
    plain: list[str] = []
    for name, layer in model.named_modules():
        if isinstance(layer, nn.SyncBatchNorm):
            shared.append(name)
        elif isinstance(layer, _BatchNorm):
            plain.append(name)
    if shared and not torch.cuda.is_available():
        raise ConfigError(
            f'{len(shared)} layers are SyncBN, the first of them {shared[0]}, '
            'which several processes share on GPUs only. Give norm_cfg='
            "dict(type='GN', num_groups=8), or use one process"
        )
    if plain:
        print_log(
            f'{len(plain)} layers are BN, the first of them {plain[0]}: each '
            'process has statistics of its own pictures, and the first '
            "one's are kept. SyncBN shares them",
            'current',
            logging.WARNING,
        )
