"""Configs: read from a file or from the record of a run."""

import difflib
import inspect
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from llm_mde_mm.utils.errors import ConfigError
from llm_mde_mm.utils.run_record import read_record
from llm_mde_mm.utils.seeding import share_seed

# Top-level keys that are read beside the arguments of MMEngine's runner: by
# MMEngine out of the config, and by this package.
_MORE_KEYS = (
    'activation_checkpointing',
    'compile',
    'custom_imports',
    'efficient_conv_bn_eval',
    'find_unused_parameters',
    'model_wrapper_cfg',
    'strategy',
    'sync_bn',
    'model_dtype',
    'runner_type',
    'test_scenes',
)
# Environment variables whose text MMEngine puts into a config, in quotes.
_VARIABLES = ('NYU_ROOT', 'VIT_WEIGHTS', 'LLM_WEIGHTS')
_LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
# The least that a count may be; below it training fails late or does nothing.
_LEAST = {
    **dict.fromkeys(_LOADERS, {'batch_size': 1, 'num_workers': 0}),
    'train_cfg': {'max_epochs': 1, 'max_iters': 1, 'val_interval': 1},
}


def load_config(path: str, options: Mapping | None = None) -> Config:
    """Read a config file and merge options into it.

    Subsets without a seed of their own get ``randomness.seed``; loaders with
    ``num_workers=0`` lose ``persistent_workers`` and ``prefetch_factor``.

    Args:
        path (str): The config file.
        options (Mapping | None): Dotted keys and values, as ``--cfg-options``
            gives them.

    Raises:
        ConfigError: If there is no such file or base, it is no config, an
            environment variable of it is set to nothing or has an
            apostrophe, an option does not go with it or begins with a name
            that neither the config nor MMEngine's runner knows, or a count
            is too low.
    """
    if not Path(path).is_file():
        raise ConfigError(f'there is no config file {path}')
    _find_own_modules()
    try:
        cfg = Config.fromfile(path)
    except (
        OSError,
        KeyError,
        SyntaxError,
        NameError,
        ImportError,
        TypeError,
        ValueError,
        IndexError,
        ArithmeticError,
    ) as error:
        # Of a variable that is set to nothing MMEngine says it is not there.
        reason = error.args[0] if isinstance(error, KeyError) else error
        if isinstance(error, SyntaxError):
            reason = _apostrophe() or error
        raise ConfigError(f'config {path}: {reason}') from error
    if options:
        _check_keys(cfg, options)
        try:
            cfg.merge_from_dict(dict(options))
        except (TypeError, KeyError, AttributeError, IndexError) as error:
            raise ConfigError(
                f'--cfg-options {", ".join(options)}: {error}'
            ) from error
    _check_counts(cfg)
    _without_workers(cfg)
    cfg.setdefault('work_dir', f'work_dirs/{Path(path).stem}')
    share_seed(cfg)
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    return cfg


def _find_own_modules() -> None:
    """Let a config import from the folder that the command is run in.

    As ``python -m`` does.
    """
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())


def _apostrophe() -> str | None:
    for name in _VARIABLES:
        if "'" in os.environ.get(name, ''):
            return (
                f'{name}: no apostrophe may be in it; rename the folder or '
                'give a link to it'
            )
    return None


def _check_counts(cfg: Config) -> None:
    for part, counts in _LEAST.items():
        for key, least in counts.items():
            value = (cfg.get(part) or {}).get(key)
            if isinstance(value, int) and value < least:
                raise ConfigError(
                    f'{part}.{key} is {value}: it takes {least} or more'
                )


def _without_workers(cfg: Config) -> None:
    """Where no process loads, take out what torch allows for some alone."""
    for part in _LOADERS:
        loader = cfg.get(part) or {}
        if loader.get('num_workers') == 0:
            loader['persistent_workers'] = False
            loader.pop('prefetch_factor', None)


def _check_keys(cfg: Config, options: Mapping) -> None:
    known = {*inspect.signature(Runner).parameters, *_MORE_KEYS}
    for key in options:
        name = key.partition('.')[0]
        if name not in known and name in cfg:
            raise ConfigError(
                f'--cfg-options {key}: {name} is a variable of the config '
                'file, whose value is in its place before options are '
                'merged: give the key that it is used for, such as '
                'train_dataloader.dataset.subset.shots, or set it in a '
                'config of your own'
            )
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            hint = f'; did you mean {close[0]}?' if close else ''
            raise ConfigError(
                f'--cfg-options {key}: nothing reads a key {name!r}{hint}'
            )


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
    run = Path(folder).resolve()
    work_dir = work_dir or str(run.with_name(f'{run.name}_rerun'))
    if Path(work_dir).resolve() == run:
        raise ConfigError(
            f'--work-dir is the folder of the run itself, {folder}: give '
            'another one, or leave it out'
        )
    _find_own_modules()
    cfg = Config.fromstring(record['config'], '.py')
    # Started by --resume PATH it began there; by --resume alone, at 0.
    cfg.work_dir = work_dir
    cfg.resume = bool(cfg.get('resume') and cfg.get('load_from'))
    # A run without a seed in its config had one all the same.
    cfg.merge_from_dict({'randomness.seed': record['seed']})
    for hook in cfg.get('custom_hooks', []):
        if hook.type == 'RunRecordHook':
            hook.repeats = folder
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    return cfg
