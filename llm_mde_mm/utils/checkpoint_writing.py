"""Write checkpoints that hold plain data and are whole, or not there."""

import os
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from torch import Tensor

from llm_mde_mm.utils.errors import WeightsError
from llm_mde_mm.utils.whole_file import whole_file
from llm_mde_mm.utils.zip_check import check_archive

POINTER = 'last_checkpoint'


def plain(value: Any, where: str = 'checkpoint') -> Any:
    """A copy made of containers, tensors, numbers and text alone.

    Args:
        value (Any): NumPy's arrays become tensors, its scalars numbers.
        where (str): What an error calls it.

    Raises:
        WeightsError: If there is anything else in it.
    """
    if value is None or type(value) in (bool, int, float, bytes):
        return value
    if isinstance(value, str | Path):
        return str(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        if value.dtype.kind in 'biufc':
            return torch.from_numpy(value.copy())
        return plain(value.tolist(), where)
    if isinstance(value, Tensor):
        return _own_tensor(value)
    if isinstance(value, Mapping):
        return {
            plain(k, where): plain(v, f'{where}[{k!r}]')
            for k, v in value.items()
        }
    if isinstance(value, tuple):
        return tuple(plain(v, f'{where}[{i}]') for i, v in enumerate(value))
    if isinstance(value, set | frozenset):
        return {plain(v, where) for v in value}
    if isinstance(value, list | deque):
        return [plain(v, f'{where}[{i}]') for i, v in enumerate(value)]
    raise WeightsError(
        f'{where} is a {type(value).__name__}: a checkpoint holds tensors, '
        'numbers, text and containers of them, so that reading it runs no '
        'code. Have the hook that adds it add such data'
    )


def _own_tensor(tensor: Tensor) -> Tensor:
    """On the CPU, and without the rest of a tensor that it is a view of."""
    tensor = tensor.detach().cpu()
    used = tensor.numel() * tensor.element_size()
    if tensor.untyped_storage().nbytes() > used:
        return tensor.clone()
    return tensor


def plain_message_hub(state: Mapping) -> dict:
    """MMEngine's message hub, its logs as tensors."""
    logs = {
        name: dict(
            values=log.data[0], counts=log.data[1], max_length=log.max_length
        )
        for name, log in state['log_scalars'].items()
    }
    return plain({**state, 'log_scalars': logs}, 'message_hub')


def message_hub_state(state: Mapping) -> dict:
    """Undo :func:`plain_message_hub`."""
    logs = {
        name: HistoryBuffer(
            log['values'].numpy(), log['counts'].numpy(), log['max_length']
        )
        for name, log in state['log_scalars'].items()
    }
    return {**state, 'log_scalars': logs}


def write_checkpoint(checkpoint: Mapping, path: Path) -> None:
    """Write a checkpoint; its name stands for a whole file at any instant.

    It is written beside the name, brought to the disk, read back against its
    checksums and renamed.

    Args:
        checkpoint (Mapping): Anything that :func:`plain` takes.
        path (Path): The file; its folder is made if need be.

    Raises:
        WeightsError: If the folder cannot be written, the disk is full, or
            the checkpoint holds objects. What had the name is still there.
    """
    data = plain(checkpoint)
    write_safely(path, lambda stream: torch.save(data, stream), check_archive)


def write_safely(
    path: Path,
    write: Callable,
    check: Callable[[Path], None] | None = None,
) -> None:
    """:func:`whole_file`, onto the disk; what goes wrong gets a name.

    Args:
        path (Path): The file; its folder is made if need be.
        write (Callable): Writes to the stream that it gets.
        check (Callable | None): See :func:`whole_file`.

    Raises:
        WeightsError: If the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path, sync=True, check=check) as stream:
            write(stream)
    except (OSError, RuntimeError) as error:
        raise WeightsError(
            f'{path} could not be written ({_reason(error)}); what was there '
            'before is untouched. Make room, or choose another --work-dir'
        ) from error


def _reason(error: BaseException) -> str:
    """The system's word for it; torch hides it behind one of its own."""
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, OSError) and link.strerror:
            return link.strerror
        link = link.__context__
    return str(error)[:200]


def move_pointer(folder: Path, checkpoint: Path) -> None:
    """Have ``last_checkpoint`` name a file, by its path from the folder.

    Args:
        folder (Path): The run's.
        checkpoint (Path): It exists.

    Raises:
        WeightsError: If the folder cannot be written.
    """
    # Of the real places: a link above them has other folders beside it.
    name = os.path.relpath(
        os.path.realpath(checkpoint), os.path.realpath(folder)
    )
    write_safely(folder / POINTER, lambda stream: stream.write(name.encode()))
