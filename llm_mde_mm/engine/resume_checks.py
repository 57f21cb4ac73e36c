"""Whether a checkpoint holds what it takes to go on with this very run."""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.hooks import EMAHook
from mmengine.logging import print_log

from llm_mde_mm.utils.errors import WeightsError


def check_resumable(checkpoint: dict, path: Path, runner: Any) -> None:
    """Compare a checkpoint with what the run needs, before it is used.

    Schedules keep the length that they had; another one here, as by another
    number of epochs, is logged.

    Args:
        checkpoint (dict): As it is read.
        path (Path): Its file, for errors.
        runner (Runner): The run's; optimizer and schedulers are built.

    Raises:
        WeightsError: If it lacks a part, or is of another optimizer, other
            schedulers, another seed or averaged weights.
    """
    schedulers = runner.param_schedulers
    needed = ['optimizer', 'message_hub']
    if schedulers is not None:
        needed.append('param_schedulers')
    missing = [key for key in needed if key not in checkpoint]
    meta = checkpoint['meta']
    missing += [
        f'meta.{key}'
        for key in ('epoch', 'iter')
        if type(meta.get(key)) is not int
    ]
    if missing:
        raise WeightsError(
            f'{path} cannot be resumed from: it has no '
            f'{", ".join(missing)}. Resume from the last checkpoint of a '
            'run; this one serves as load_from'
        )
    found = _other_parts(checkpoint, runner)
    if found:
        raise WeightsError(
            f'{path} does not continue this run: {found}. Give the config of '
            'its run, or start another from its weights by load_from'
        )
    if schedulers is not None:
        here = scheduler_states(schedulers)
        for text in _other_lengths(checkpoint['param_schedulers'], here):
            print_log(
                f'{path}: {text}. The schedule keeps its length: to train for '
                'longer, start another run from these weights by load_from',
                logger='current',
                level=logging.WARNING,
            )


def _other_lengths(theirs: Any, ours: Any) -> Iterator[str]:
    """In words, how the schedulers' lengths differ."""
    for there, here in zip(theirs, ours, strict=True):
        pairs = {
            key: (there.get(key), here.get(key)) for key in ('T_max', 'end')
        }
        found = [f'{k}={a}, here {b}' for k, (a, b) in pairs.items() if a != b]
        if found:
            yield f'its schedule has {"; ".join(found)}'


def _other_parts(checkpoint: dict, runner: Any) -> str | None:
    """What of a checkpoint does not go with the run, None if all does."""
    found = _other_optimizer(
        checkpoint['optimizer'], runner.optim_wrapper.state_dict()
    )
    if found:
        return found
    if runner.param_schedulers is not None:
        here = _shape(scheduler_states(runner.param_schedulers))
        if here != _shape(checkpoint['param_schedulers']):
            return 'param_scheduler is another'
    seed = (runner.cfg.get('randomness') or {}).get('seed')
    if seed is not None and checkpoint['meta'].get('seed', seed) != seed:
        return f'randomness.seed is {checkpoint["meta"]["seed"]}, here {seed}'
    averages = any(isinstance(hook, EMAHook) for hook in runner.hooks)
    if 'ema_state_dict' in checkpoint and not averages:
        return 'its weights are the averages of an EMAHook, and there is none'
    return None


def _other_optimizer(theirs: Any, ours: dict) -> str | None:
    """Compare the kinds: torch takes any state, and fails at a step."""
    if not isinstance(theirs, Mapping):
        return f'its optimizer is a {type(theirs).__name__}'
    if ('loss_scaler' in theirs) != ('loss_scaler' in ours):
        owner = 'it' if 'loss_scaler' in theirs else 'the run'
        return f'only {owner} has the loss scaler of AmpOptimWrapper'
    there, here = _options(theirs), _options(ours)
    # Another version of torch may know more options, or fewer.
    if there - here and here - there:
        return (
            f'its optimizer has {", ".join(sorted(there - here))}, the one '
            f'here {", ".join(sorted(here - there))}'
        )
    return None


def _options(state: Mapping) -> set[str]:
    """Names of an optimizer's options."""
    groups = state.get('param_groups')
    if not isinstance(groups, list):
        return set()
    return {str(k) for g in groups if isinstance(g, Mapping) for k in g}


def scheduler_states(schedulers: Any) -> Any:
    """State of each parameter scheduler."""
    # Functions are the config's; they need not come out of a file.
    return [
        {k: v for k, v in s.state_dict().items() if not callable(v)}
        for s in schedulers
    ]


def _shape(states: Any) -> Any:
    """Which schedulers there are, by their settings' names."""
    if isinstance(states, Mapping):
        return sorted(states)
    if isinstance(states, list):
        return [_shape(state) for state in states]
    return type(states).__name__


def check_moments(optim_wrapper: Any) -> None:
    """Compare the optimizer's state with its parameters.

    Optimizers take one of any shape, and fail, or do not, at a step.

    Raises:
        ValueError: If a tensor has another shape than its parameter.
    """
    optimizer: torch.optim.Optimizer = optim_wrapper.optimizer
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if torch.is_tensor(value) and value.dim() > 0:
                if value.shape != getattr(parameter, 'shape', None):
                    raise ValueError(
                        f'{name} of the optimizer is {tuple(value.shape)}'
                    )
