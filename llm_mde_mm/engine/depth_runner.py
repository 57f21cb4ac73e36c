"""MMEngine's runner, able to use several processes without a GPU."""

import copy
import logging
import os
import subprocess

import torch
import torch.distributed as torch_dist
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.runner import Runner
from mmseg.registry import RUNNERS
from torch import nn

from llm_mde_mm.utils.errors import ConfigError
from llm_mde_mm.utils.seeding import share_seed


@RUNNERS.register_module()
class DepthRunner(Runner):
    """A Runner for GPUs and, over gloo, for CPUs.

    MMEngine's own asks for a CUDA device as soon as there is a launcher. The
    environment and the config go to the log file; the console keeps to
    progress and results.

    ``model_dtype`` of the config casts the model. In 'float64' the order of a
    sum, by which one process differs from two, stays below notice.
    ``randomness.seed`` also draws the subsets that have no seed of their own.
    """

    @classmethod
    def from_cfg(cls, cfg: Config | dict) -> 'DepthRunner':
        """Build the runner of a config.

        Args:
            cfg (Config | dict): The whole config; left as it is.
        """
        cfg = copy.deepcopy(cfg)
        share_seed(cfg)
        return super().from_cfg(cfg)

    def build_model(self, model: nn.Module | dict) -> nn.Module:
        """Build the model, cast as the config says.

        Args:
            model (nn.Module | dict): A model, or its config.

        Returns:
            nn.Module: The model.

        Raises:
            ConfigError: If ``model_dtype`` is no floating-point type.
        """
        built = super().build_model(model)
        name = self.cfg.get('model_dtype')
        if name is None:
            return built
        dtype = getattr(torch, name, None)
        if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
            raise ConfigError(
                f"model_dtype is {name!r}: give 'float32' or 'float64'"
            )
        return built.to(dtype)

    def setup_env(self, env_cfg: dict) -> None:
        """Start the process group over gloo where there is no GPU.

        Args:
            env_cfg (dict): MMEngine's ``env_cfg``.
        """
        if self.distributed and not torch.cuda.is_available():
            if not torch_dist.is_initialized():
                # srun names rank and size by other words than torchrun.
                if self._launcher == 'slurm':
                    _slurm_to_torchrun()
                torch_dist.init_process_group(backend='gloo')
        super().setup_env(env_cfg)

    def wrap_model(
        self, model_wrapper_cfg: dict | None, model: nn.Module
    ) -> nn.Module:
        """Wrap for data parallelism; without device ids on CPUs.

        Args:
            model_wrapper_cfg (dict | None): MMEngine's config of the wrapper.
            model (nn.Module): The model.

        Returns:
            nn.Module: The model, wrapped if there are several processes.
        """
        if (
            self.distributed
            and model_wrapper_cfg is None
            and not torch.cuda.is_available()
        ):
            model_wrapper_cfg = dict(
                type='MMDistributedDataParallel',
                device_ids=None,
                broadcast_buffers=False,
            )
        return super().wrap_model(model_wrapper_cfg, model)

    def build_logger(self, *args, **kwargs) -> MMLogger:
        """MMEngine's logger, with a quiet console.

        Args:
            *args: Those of MMEngine's.
            **kwargs: Likewise.

        Returns:
            MMLogger: Its console leaves out the blocks that MMEngine opens
            every run with; the log file has them.
        """
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.addFilter(_is_progress)
        return logger


# Environment, config and hooks, two hundred lines in all, and MMEngine's
# remarks on its own parts.
_FILE_ONLY = (
    '\n------',
    'Config:',
    'Hooks will be executed',
    '"FileClient"',
    '"HardDiskBackend"',
    'Distributed training is not used',
)


def _is_progress(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(_FILE_ONLY)


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
