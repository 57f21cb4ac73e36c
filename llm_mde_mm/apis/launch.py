"""From a config file to a runner: what the command-line tools share."""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmseg.registry import DATASETS, RUNNERS

from llm_mde_mm.utils.errors import ConfigError, LLMMDEError

LAUNCHERS = ('none', 'pytorch', 'slurm', 'mpi')


def load_config(path: str, options: Mapping | None = None) -> Config:
    """Read a config file and merge options into it.

    Args:
        path (str): The config file.
        options (Mapping | None): Dotted keys and values, as ``--cfg-options``
            gives them.

    Raises:
        ConfigError: If there is no such file.
    """
    if not Path(path).is_file():
        raise ConfigError(f'there is no config file {path}')
    # As with `python -m`, a config may import modules of the folder that the
    # command is run in.
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    cfg = Config.fromfile(path)
    if options:
        cfg.merge_from_dict(dict(options))
    cfg.setdefault('work_dir', f'work_dirs/{Path(path).stem}')
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    return cfg


def check_data(cfg: Config, splits: tuple[str, ...]) -> None:
    """Open each data set once, before a model is built or weights fetched.

    Args:
        cfg (Config): The whole config.
        splits (tuple[str, ...]): Of 'train', 'val' and 'test'.

    Raises:
        DataError: If one is missing or damaged; see the data sets.
    """
    for split in splits:
        loader = cfg.get(f'{split}_dataloader')
        if loader:
            DATASETS.build({**loader.dataset, 'pipeline': []})


def set_launcher(cfg: Config, launcher: str, local_rank: int = 0) -> None:
    """Choose how several processes find each other.

    Args:
        cfg (Config): Changed in place.
        launcher (str): 'none', 'pytorch' (torchrun), 'slurm' or 'mpi'.
        local_rank (int): For launchers that pass it as an argument.
    """
    cfg.launcher = launcher
    os.environ.setdefault('LOCAL_RANK', str(local_rank))


def use_amp(cfg: Config) -> None:
    """Train in mixed precision: bfloat16 where it can be, float16 elsewhere.

    Args:
        cfg (Config): Changed in place.
    """
    wrapper = cfg.optim_wrapper
    if torch.cuda.is_available() and not torch.cuda.is_bf16_supported():
        wrapper.type = 'AmpOptimWrapper'
        wrapper.loss_scale = 'dynamic'
    else:
        wrapper.type = 'BF16OptimWrapper'


def build_runner(cfg: Config) -> Runner:
    """Build the runner that the config names, MMEngine's own by default.

    Raises:
        ConfigError: If a part that the config names is not registered.
    """
    try:
        if 'runner_type' in cfg:
            return RUNNERS.build(cfg)
        return Runner.from_cfg(cfg)
    except KeyError as error:
        if 'registry' not in str(error):
            raise
        raise ConfigError(
            f'the config names a part that nobody registered: {error.args[0]}'
        ) from error


def run_tool(main: Callable[[], None]) -> None:
    """Run a tool; a mistake of the user's ends it with a message alone.

    Args:
        main (Callable[[], None]): The tool.
    """
    try:
        main()
    except LLMMDEError as error:
        sys.exit(f'{type(error).__name__}: {error}')
