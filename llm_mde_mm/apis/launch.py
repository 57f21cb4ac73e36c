"""From the command line to a runner: what the command-line tools share."""

import argparse
import logging
import os
import tempfile
from pathlib import Path

import torch
from mmengine.config import Config, DictAction
from mmengine.logging import print_log
from mmengine.runner import Runner
from mmseg.registry import DATASETS, MODELS, RUNNERS

from llm_mde_mm.datasets.disjoint import check_disjoint
from llm_mde_mm.datasets.wrapped import without_pipeline
from llm_mde_mm.models import LLMDepthEstimator
from llm_mde_mm.utils.checkpoint import resumable_checkpoints
from llm_mde_mm.utils.errors import ConfigError, DataError

from .config_files import load_config, recorded_config
from .tool_process import run_tool

__all__ = ['LAUNCHERS', 'load_config', 'recorded_config', 'run_tool']

LAUNCHERS = ('none', 'pytorch', 'slurm', 'mpi')


def tool_parser(
    description: str, can_rerun: bool = False, one_process: bool = False
) -> argparse.ArgumentParser:
    """A parser with the arguments that every tool with a runner takes.

    Args:
        description (str): What the tool does.
        can_rerun (bool): Whether ``--rerun`` may stand for the config.
        one_process (bool): Whether the tool takes no launcher.
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
    if one_process:
        parser.set_defaults(launcher='none', local_rank=0)
        return parser
    parser.add_argument(
        '--launcher',
        choices=LAUNCHERS,
        default='none',
        help='what has started this process as one of several',
    )
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)
    return parser


class _KeyValue(DictAction):
    """MMEngine's, with the parser's error for what it cannot read."""

    def __call__(self, parser, namespace, values, option_string=None):
        wrong = [value for value in values if '=' not in value]
        if wrong:
            parser.error(
                f'{option_string} takes KEY=VALUE, got {wrong[0]!r}; other '
                'arguments come before it'
            )
        for value in values:
            try:
                super().__call__(parser, namespace, [value], option_string)
            except (AssertionError, RecursionError):
                parser.error(
                    f'{option_string} cannot read {value!r}: it takes '
                    'numbers, words and lists of them in brackets, no dict, '
                    'which goes into a config'
                )


def add_cfg_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--cfg-options`` to a parser."""
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=_KeyValue,
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


def check_data(cfg: Config, splits: tuple[str, ...]) -> None:
    """Open each data set once, before a model is built or weights fetched.

    Where training is one of the splits, none may share a picture with the
    test set, which need not be there to train.

    Args:
        cfg (Config): The whole config.
        splits (tuple[str, ...]): Of 'train', 'val' and 'test'.

    Raises:
        DataError: If one is missing or damaged, see the data sets; or what
            is trained on is tested on.
    """
    opened = {}
    for split in dict.fromkeys((*splits, 'test')):
        loader = cfg.get(f'{split}_dataloader')
        if not loader or (split not in splits and 'train' not in splits):
            continue
        try:
            opened[split] = DATASETS.build(without_pipeline(loader.dataset))
        except DataError as error:
            if split in splits:
                raise
            print_log(
                'not checked that the test set shares no picture with '
                f'training: {error}',
                logger='current',
                level=logging.WARNING,
            )
    if 'train' in opened:
        check_disjoint(opened)


def go_on(cfg: Config, checkpoint: str) -> None:
    """Go on with a run.

    Args:
        cfg (Config): Changed in place.
        checkpoint (str): Where from; 'auto' is the newest of the run. Where
            it has none, training starts, from ``load_from`` if there is one.
    """
    if checkpoint != 'auto':
        cfg.load_from = checkpoint
    elif resumable_checkpoints(Path(cfg.work_dir)):
        cfg.load_from = None
    elif cfg.get('load_from'):
        cfg.resume = False
        return
    cfg.resume = True


def use_amp(cfg: Config) -> None:
    """Train in mixed precision: bfloat16 where it can be, float16 elsewhere.

    Args:
        cfg (Config): Changed in place.

    Raises:
        ConfigError: If the weights are spread over processes.
    """
    if cfg.get('runner_type') == 'ShardedRunner':
        raise ConfigError(
            '--amp is not for ShardedRunner: give --cfg-options '
            'strategy.model_wrapper.mixed_precision.param_dtype=bfloat16'
        )
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


def use_flip_tta(cfg: Config) -> None:
    """Average each prediction with that of the mirrored picture.

    Args:
        cfg (Config): Changed in place.

    Raises:
        ConfigError: If the model does not read ``test_cfg.flip``.
    """
    kind = cfg.model.type
    kind = MODELS.get(kind) if isinstance(kind, str) else kind
    if not issubclass(kind or object, LLMDepthEstimator):
        raise ConfigError(
            f'flip test-time augmentation is part of LLMDepthEstimator, '
            f'{cfg.model.type!r} has none'
        )
    cfg.model.test_cfg = {**(cfg.model.get('test_cfg') or {}), 'flip': True}


def build_runner(cfg: Config) -> Runner:
    """Build the runner that the config names, MMEngine's own by default.

    Raises:
        ConfigError: If a part that the config names is not registered, or
            its ``work_dir`` cannot be written.
    """
    _check_folder(Path(cfg.work_dir))
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


def _check_folder(folder: Path) -> None:
    """Try to write before the model is built, not after the first epoch."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ConfigError(
            f'work_dir {folder} cannot be written ({error.strerror}): give '
            'another by --work-dir'
        ) from error
