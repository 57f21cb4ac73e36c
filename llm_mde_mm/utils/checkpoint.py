"""Read checkpoints without running what is in them."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import numpy._core.multiarray as np_core
import torch
from mmengine.logging import HistoryBuffer
from torch import nn

from llm_mde_mm.utils.errors import WeightsError

# What an MMEngine checkpoint holds beside tensors: its log's numbers.
_HARMLESS: list = [
    HistoryBuffer,
    np.ndarray,
    np.dtype,
    np_core.scalar,
    np_core._reconstruct,
    getattr,
    *(type(np.dtype(name)) for name in ('float64', 'float32', 'int64')),
]
_BEST = 'best_*.pth'


def find_checkpoint(path: str | Path) -> Path:
    """The checkpoint that a path means.

    Args:
        path (str | Path): A file, or a run's folder: its best checkpoint,
            else the last one.

    Raises:
        WeightsError: If there is none.
    """
    path = Path(path)
    if path.is_file():
        return path
    if not path.is_dir():
        raise WeightsError(f'there is no checkpoint {path}')
    best = sorted(path.glob(_BEST), key=lambda p: p.stat().st_mtime)
    if best:
        return best[-1]
    pointer = path / 'last_checkpoint'
    if pointer.is_file():
        last = Path(pointer.read_text().strip())
        # The pointer holds an absolute path; the folder may have moved.
        for candidate in (path / last.name, last):
            if candidate.is_file():
                return candidate
    raise WeightsError(f'{path} holds no checkpoint: train first')


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Load a checkpoint onto the CPU; no code in it is run.

    Raises:
        WeightsError: If the file is damaged, or holds objects other than
            tensors and MMEngine's log.
    """
    try:
        with torch.serialization.safe_globals(_HARMLESS):
            return torch.load(path, map_location='cpu', weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f'{path} is not loaded: it is damaged, or it holds more than '
            f'weights and could run code ({str(error)[:200]})'
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError) as error:
        raise WeightsError(
            f'{path} cannot be read as a checkpoint: {error}'
        ) from error


def load_model(model: nn.Module, path: str | Path) -> dict[str, Any]:
    """Fill a model from a checkpoint, completely.

    Args:
        model (nn.Module): Not wrapped.
        path (str | Path): The file.

    Returns:
        dict[str, Any]: The checkpoint.

    Raises:
        WeightsError: If the file cannot be read, or its weights are not this
            model's.
    """
    checkpoint = read_checkpoint(path)
    state = checkpoint.get('state_dict', checkpoint)
    ours = model.state_dict()
    missing = sorted(ours.keys() - state.keys())
    extra = sorted(state.keys() - ours.keys())
    other = sorted(
        k
        for k in ours.keys() & state.keys()
        if ours[k].shape != state[k].shape
    )
    if missing or extra or other:
        raise WeightsError(
            f'{path} belongs to another config: {len(missing)} parameters of '
            f'this model are not in it {missing[:2]}, {len(extra)} of its own '
            f'are not in the model {extra[:2]}, {len(other)} differ in shape '
            f'{other[:2]}'
        )
    model.load_state_dict(state)
    return checkpoint
