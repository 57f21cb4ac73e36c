"""Settings that a checkpoint was made with, to compare with those in use.

Tensors do not show them: a head of 10 m has the weights of one of 80 m.
"""

import inspect
import json
import reprlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from mmseg.registry import (
    MODELS,
    OPTIM_WRAPPERS,
    OPTIMIZERS,
    PARAM_SCHEDULERS,
)

from llm_mde_mm.utils.errors import WeightsError

_PARTS = ('model', 'optim_wrapper', 'param_scheduler')
# Where weights come from is a matter of the machine; digests compare them.
_SOURCES = {'weights', 'init_cfg', 'pretrained'}
# What a run that goes on may do otherwise: predictions, the batch that one
# process holds, and how a device computes.
_FREE_IN_RESUME = {
    'test_cfg',
    'accumulative_counts',
    'fused',
    'foreach',
    'with_cp',
    'attn_implementation',
}
# What no prediction depends on, or what a test may choose: how pictures are
# padded, and the words of the prompt that name the data.
_TRAINING_ONLY = {
    'test_cfg',
    'train_cfg',
    'with_cp',
    'attn_implementation',
    'dropout',
    'finetune',
    'loss_decode',
    'distance_loss_weight',
    'initial_depth',
    'size',
    'size_divisor',
    'dataset',
}
# The same layer for one process and for several.
_SAME = dict(BN2d='BN', SyncBN='BN', MMSyncBN='BN')


def settings_text(cfg: Mapping, parts: Collection[str] = _PARTS) -> str:
    """What a checkpoint keeps of its config, without names of weights.

    Args:
        cfg (Mapping): The whole config.
        parts (Collection[str]): Which of its parts.

    Returns:
        str: JSON.
    """
    kept = {part: cfg[part] for part in parts if cfg.get(part) is not None}
    # No tensor shows the tokeniser; its folder may have moved.
    plain = stripped(kept, _SOURCES, {'tokenizer'})
    return json.dumps(plain, default=_text)


def stored_settings(meta: Mapping, path: str | Path) -> dict[str, Any]:
    """Read :func:`settings_text` from a checkpoint's ``meta``.

    Args:
        meta (Mapping): One of an older version or another package has none.
        path (str | Path): The file, for errors.

    Raises:
        WeightsError: If it is no such text.
    """
    try:
        settings = json.loads(meta.get('settings', '{}'))
    except (TypeError, ValueError, RecursionError) as error:
        raise WeightsError(f'{path}: its settings are no JSON') from error
    if not isinstance(settings, dict):
        raise WeightsError(f'{path}: its settings are no dict')
    return settings


def other_settings(
    meta: Mapping, path: str | Path, cfg: Mapping, *, resume: bool = False
) -> list[str]:
    """Compare a checkpoint's settings with a config's.

    What one of them leaves out counts as the default of what it configures.

    Args:
        meta (Mapping): The checkpoint's.
        path (str | Path): Its file, for errors.
        cfg (Mapping): The whole config.
        resume (bool): Compare all that decides how training goes on;
            otherwise what decides predictions.

    Returns:
        list[str]: ``key: the checkpoint's, the config's``.

    Raises:
        WeightsError: If the checkpoint's cannot be read.
    """
    theirs = stored_settings(meta, path)
    parts = _PARTS if resume else ('model',)
    ours = json.loads(settings_text(cfg, parts))
    free = _FREE_IN_RESUME if resume else _TRAINING_ONLY
    return [
        text
        for part in ours.keys() & theirs.keys()
        for text in _differences(theirs[part], ours[part], part, free)
    ]


def check_settings(
    meta: Mapping, path: str | Path, cfg: Mapping, *, resume: bool = False
) -> None:
    """Refuse what :func:`other_settings` finds.

    Raises:
        WeightsError: If there is a difference.
    """
    found = other_settings(meta, path, cfg, resume=resume)
    if found:
        advice = (
            'Give the config of that run, or start another from its weights '
            'by load_from'
            if resume
            else 'Give the config that it was trained with'
        )
        raise WeightsError(
            f'{path} belongs to another config (key: its value, the one '
            f'here): {"; ".join(sorted(found))}. {advice}'
        )


def stripped(
    value: Any, left_out: Collection[str], by_name: Collection[str]
) -> Any:
    """A part of a config without what is a matter of the machine.

    Args:
        value (Any): The part.
        left_out (Collection[str]): Keys that are left out, at any depth.
        by_name (Collection[str]): Keys whose paths keep their last part.

    Returns:
        Any: Plain dictionaries, lists and the values in them.
    """
    if isinstance(value, Mapping):
        return {
            str(key): Path(item).name
            if key in by_name and isinstance(item, str)
            else stripped(item, left_out, by_name)
            for key, item in value.items()
            if key not in left_out
        }
    if isinstance(value, list | tuple):
        return [stripped(item, left_out, by_name) for item in value]
    return value


def _text(value: Any) -> str:
    """A class or function by its name, as a config file would name it."""
    return getattr(value, '__name__', None) or str(value)


def _differences(
    theirs: Any, ours: Any, where: str, free: Collection[str]
) -> Iterator[str]:
    if isinstance(theirs, dict) and isinstance(ours, dict):
        kinds = [_kind(settings.get('type')) for settings in (theirs, ours)]
        if kinds[0] != kinds[1]:
            yield f'{where}.type: {kinds[0]}, {kinds[1]}'
            return
        for key in (theirs.keys() | ours.keys()) - {'type', '_scope_', *free}:
            if key == 'lora':
                if _has_lora(theirs) and _has_lora(ours):
                    pair = _lora(theirs), _lora(ours)
                    yield from _differences(*pair, f'{where}.lora', free)
                continue
            default = _default(ours.get('type'), key)
            pair = theirs.get(key, default), ours.get(key, default)
            yield from _differences(*pair, f'{where}.{key}', free)
    elif (
        isinstance(theirs, list)
        and isinstance(ours, list)
        and len(theirs) == len(ours)
    ):
        for i, pair in enumerate(zip(theirs, ours, strict=True)):
            yield from _differences(*pair, f'{where}.{i}', free)
    elif theirs != ours:
        yield f'{where}: {reprlib.repr(theirs)}, {reprlib.repr(ours)}'


def _kind(name: Any) -> str:
    """A type's name without its scope."""
    last = str(name).rpartition('.')[2]
    return _SAME.get(last, last)


def _has_lora(part: Mapping) -> bool:
    # Merged into the weights, it is not there any more.
    return part.get('finetune', 'lora') == 'lora'


def _lora(part: Mapping) -> dict[str, Any]:
    """All settings of a part's adapters."""
    from llm_mde_mm.models.adapters import add_lora

    parameters = inspect.signature(add_lora).parameters.items()
    defaults = {
        name: parameter.default
        for name, parameter in parameters
        if parameter.default is not parameter.empty
    }
    return {**defaults, **(part.get('lora') or {})}


def _default(kind: Any, key: str) -> Any:
    """What a registered type takes where a key is left out, None if unknown.

    A dict without a type has no defaults that are known here.
    """
    for registry in (MODELS, OPTIM_WRAPPERS, OPTIMIZERS, PARAM_SCHEDULERS):
        found = registry.get(kind) if isinstance(kind, str) else None
        for cls in inspect.getmro(found) if inspect.isclass(found) else ():
            init = vars(cls).get('__init__', object.__init__)
            parameter = inspect.signature(init).parameters.get(key)
            if parameter and parameter.default is not parameter.empty:
                return json.loads(json.dumps(parameter.default, default=_text))
    return None
