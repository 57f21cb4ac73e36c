"""From a config file to a runner: what the command-line tools share."""

import argparse
import logging
import os
import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
import torch.distributed as torch_dist
from mmengine.config import Config, DictAction
from mmengine.dist import is_main_process
from mmengine.logging import print_log
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmseg.registry import DATASETS, RUNNERS

from llm_mde_mm.utils.errors import (
    ConfigError,
    LLMMDEError,
    TrainingInterrupted,
)
from llm_mde_mm.utils.run_record import read_record
from llm_mde_mm.utils.seeding import share_seed

LAUNCHERS = ('none', 'pytorch', 'slurm', 'mpi')


def tool_parser(
    description: str, can_rerun: bool = False
) -> argparse.ArgumentParser:
    """A parser with the arguments that every tool with a runner takes.

    Args:
        description (str): What the tool does.
        can_rerun (bool): Whether ``--rerun`` may stand for the config.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        'config', nargs='?' if can_rerun else None, help='config file'
    )
    if can_rerun:
        parser.add_argument(
            '--rerun',
            metavar='FOLDER',
            help='repeat the run of this folder, from its run.json',
        )
    parser.add_argument('--work-dir', help='folder of logs and checkpoints')
    add_cfg_options(parser)
    parser.add_argument('--launcher', choices=LAUNCHERS, default='none')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)
    return parser


def add_cfg_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--cfg-options`` to a parser."""
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='override the config, e.g. optim_wrapper.optimizer.lr=1e-4',
    )


def tool_config(args: argparse.Namespace) -> Config:
    """The config that the arguments of :func:`tool_parser` describe.

    Raises:
        ConfigError: If there is no such config file or run, or if a run to
            repeat is given beside a config.
    """
    if getattr(args, 'rerun', None):
        if args.config or args.cfg_options:
            raise ConfigError(
                '--rerun takes the config of the run: leave out the config '
                'file and --cfg-options'
            )
        cfg = recorded_config(args.rerun, args.work_dir)
    elif args.config:
        cfg = load_config(args.config, args.cfg_options)
    else:
        raise ConfigError('give a config file, or --rerun and a folder')
    cfg.work_dir = args.work_dir or cfg.work_dir
    cfg.launcher = args.launcher
    # Set by torchrun; older launchers pass it as an argument.
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return cfg


def load_config(path: str, options: Mapping | None = None) -> Config:
    """Read a config file and merge options into it.

    Subsets without a seed of their own get ``randomness.seed``.

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
    share_seed(cfg)
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    return cfg


def recorded_config(folder: str, work_dir: str | None = None) -> Config:
    """The config of a run, to repeat it from its start.

    Args:
        folder (str): The run's folder, with its ``run.json``.
        work_dir (str | None): Folder of the repetition; by default the
            run's with ``_rerun`` added.

    Raises:
        ConfigError: If there is no such record, or the two folders are one.
    """
    record = read_record(folder)
    run = Path(folder)
    work_dir = work_dir or str(run.with_name(f'{run.resolve().name}_rerun'))
    if Path(work_dir).resolve() == run.resolve():
        raise ConfigError(
            f'--work-dir is the folder of the run itself, {folder}: give '
            'another one, or leave it out'
        )
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    cfg = Config.fromstring(record['config'], '.py')
    cfg.work_dir, cfg.resume = work_dir, False
    # A run without a seed in its config had one all the same.
    cfg.merge_from_dict({'randomness.seed': record['seed']})
    for hook in cfg.get('custom_hooks', []):
        if hook.type == 'RunRecordHook':
            hook.repeats = folder
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


def use_amp(cfg: Config) -> None:
    """Train in mixed precision: bfloat16 where it can be, float16 elsewhere.

    Args:
        cfg (Config): Changed in place.
    """
    wrapper = cfg.optim_wrapper
    on_gpu = torch.cuda.is_available()
    if on_gpu and not torch.cuda.is_bf16_supported():
        wrapper.type = 'AmpOptimWrapper'
        wrapper.loss_scale = 'dynamic'
        return
    wrapper.type = 'BF16OptimWrapper'
    if not on_gpu and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        print_log(
            'this processor has no bfloat16 instructions: --amp trains, but '
            'many times slower than without',
            logger='current',
            level=logging.WARNING,
        )


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
    except TrainingInterrupted as stop:
        if is_main_process():
            command = resume_command()
            print_log(f'{stop}. Go on by\n{command}', logger='current')
        _leave_group()
        sys.exit(stop.exit_code)
    _leave_group()


def resume_command() -> str:
    """The command that goes on with the training that this process runs."""
    words = list(sys.argv)
    if '--resume' in words:
        place = words.index('--resume')
        last = len(words) == place + 1 or words[place + 1].startswith('-')
        del words[place : place + (1 if last else 2)]
    words = [w for w in words if not w.startswith('--resume=')]
    count = os.environ.get('WORLD_SIZE', '1')
    if count != os.environ.get('LOCAL_WORLD_SIZE', '1'):
        return 'the same command with --resume on every machine'
    launcher = ['python']
    if 'TORCHELASTIC_RUN_ID' in os.environ:
        launcher += [
            '-m',
            'torch.distributed.run',
            f'--nproc_per_node={count}',
        ]
    return shlex.join([*launcher, *words, '--resume'])


def _leave_group() -> None:
    if torch_dist.is_available() and torch_dist.is_initialized():
        # A process that leaves while gloo's threads still serve another one
        # is aborted.
        torch_dist.barrier()
        torch_dist.destroy_process_group()
