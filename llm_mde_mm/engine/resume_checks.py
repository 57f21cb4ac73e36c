"""Whether a checkpoint holds what it takes to go on with this very run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from llm_mde_mm.utils.errors import WeightsError


def check_resumable(checkpoint: dict, path: Path, schedulers: Any) -> None:
    """Compare a checkpoint with what the run needs, before it is used.

    Args:
        checkpoint (dict): As it is read.
        path (Path): Its file, for errors.
        schedulers (Any): The run's, built, or None.

    Raises:
        WeightsError: If it lacks a part, or has other schedulers.
    """
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
    if schedulers is not None:
        ours = _shape(scheduler_states(schedulers))
        if ours != _shape(checkpoint['param_schedulers']):
            raise WeightsError(
                f'{path} does not continue this run: param_scheduler is '
                'another'
            )


def scheduler_states(schedulers: Any) -> Any:
    """State of each parameter scheduler, of one optimizer or several."""
    if isinstance(schedulers, Mapping):
        return {n: scheduler_states(group) for n, group in schedulers.items()}
    # Functions are the config's; they need not come out of a file.
    return [
        {k: v for k, v in s.state_dict().items() if not callable(v)}
        for s in schedulers
    ]


def _shape(states: Any) -> Any:
    """Which schedulers there are, by their settings' names."""
    if isinstance(states, Mapping) and not any(
        isinstance(v, list) for v in states.values()
    ):
        return sorted(states)
    if isinstance(states, Mapping):
        return {n: _shape(group) for n, group in states.items()}
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
