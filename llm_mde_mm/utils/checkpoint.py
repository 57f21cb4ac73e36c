"""Find and read checkpoints, without running what is in them."""

import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from llm_mde_mm.utils.adapter_file import ADAPTER_SUFFIX, read_adapter
from llm_mde_mm.utils.checkpoint_form import unfit
from llm_mde_mm.utils.checkpoint_writing import POINTER, message_hub_state
from llm_mde_mm.utils.errors import WeightsError
from llm_mde_mm.utils.frozen_base import restore_base
from llm_mde_mm.utils.settings import check_settings
from llm_mde_mm.utils.zip_check import check_archive

_BEST = 'best_*.pth'


def find_checkpoint(path: str | Path) -> Path:
    """The checkpoint that a path means.

    Args:
        path (str | Path): A file, or a run's folder: its best checkpoint,
            else the last one.

    Raises:
        WeightsError: If there is none.
    """
    path = Path(path).expanduser()
    if path.is_file():
        return path
    if not path.is_dir():
        raise WeightsError(f'there is no checkpoint {path}')
    last = resumable_checkpoints(path)
    # They may lie elsewhere (checkpoint.out_dir), where the pointer leads.
    folders = {path, *(p.parent for p in last[:1])}
    best = sorted(
        (p for folder in folders for p in folder.glob(_BEST)),
        key=lambda p: p.stat().st_mtime,
    )
    if best:
        return best[-1]
    if not last:
        raise WeightsError(f'{path} holds no checkpoint: train first')
    return last[0]


def resumable_checkpoints(folder: Path) -> list[Path]:
    """Checkpoints of a run that it can go on from, the one to take first.

    That is the one that ``last_checkpoint`` names, but for a later one whose
    run died before it could name it. Whether they are whole is not looked at.

    Args:
        folder (Path): The run's.
    """
    pointer = folder / POINTER
    pointed = _pointed(pointer)
    found = [
        path
        for path in folder.glob('*.pth')
        if path.is_file() and not path.match(_BEST)
    ]
    if pointed is not None and pointed not in found and pointed.is_file():
        found.append(pointed)
    done = {path: _iterations(path) for path in found}
    found.sort(key=lambda p: (p.stat().st_mtime_ns, done[p]), reverse=True)
    if pointed not in found:
        return found
    moved = pointer.stat().st_mtime_ns
    # Copying a folder may set all times alike; then the iteration decides.
    later = [
        path
        for path in found
        if path.stat().st_mtime_ns > moved and done[path] > done[pointed]
    ]
    rest = [p for p in found if p not in later and p != pointed]
    return [*later, pointed, *rest]


def has_optimizer(path: Path) -> bool:
    """Whether a checkpoint can be gone on from, or is too damaged to tell."""
    whole = _peek(path)
    return whole is None or 'optimizer' in whole


def _pointed(pointer: Path) -> Path | None:
    try:
        name = pointer.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None
    # MMEngine's own hook writes absolute paths; the folder may have moved.
    here = pointer.parent / Path(name).name
    return here if here.is_file() else pointer.parent / name


def _iterations(path: Path) -> int:
    """How many a checkpoint has behind it, -1 if it does not say.

    Names do not tell: they count epochs or iterations, or nothing.
    """
    meta = (_peek(path) or {}).get('meta')
    count = meta.get('iter') if isinstance(meta, dict) else None
    return count if type(count) is int else -1


def _peek(path: Path) -> dict | None:
    """A checkpoint without reading its tensors, None if it is damaged."""
    try:
        check_archive(path, contents=False)
        whole = _load(path, mmap=True)
    except Exception:  # a damaged or made-up file can fail in any way
        return None
    return whole if isinstance(whole, dict) else None


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Load a checkpoint onto the CPU; no code in it is run.

    Args:
        path (str | Path): A ``.pth`` of this package or of ``torch.save``, or
            an adapter in ``.safetensors``.

    Returns:
        dict[str, Any]: With ``state_dict`` and ``meta`` in any case.

    Raises:
        DamagedError: If the file is truncated or altered.
        WeightsError: If it holds other objects than tensors, numbers, text
            and containers of them, or is no checkpoint.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f'there is no checkpoint {path}')
    if path.suffix == ADAPTER_SUFFIX:
        checkpoint: Any = read_adapter(path)
    else:
        checkpoint = _read_torch(path)
    if isinstance(checkpoint, dict) and 'state_dict' not in checkpoint:
        checkpoint = dict(state_dict=checkpoint)
    reason = unfit(checkpoint)
    if reason:
        raise WeightsError(f'{path} is not loaded: {reason}')
    checkpoint.setdefault('meta', {})
    if 'message_hub' in checkpoint:
        checkpoint['message_hub'] = message_hub_state(
            checkpoint['message_hub']
        )
    return checkpoint


@contextmanager
def _no_globals() -> Iterator[None]:
    """Take back what other packages have allowed torch to build."""
    allowed = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    try:
        yield
    finally:
        torch.serialization.add_safe_globals(allowed)


def _load(path: Path, mmap: bool = False) -> Any:
    with _no_globals():
        return torch.load(
            path, map_location='cpu', weights_only=True, mmap=mmap
        )


def _read_torch(path: Path) -> Any:
    check_archive(path)
    try:
        return _load(path)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f'{path} is not loaded: it holds more than weights and could run '
            f'code ({str(error)[:200]})'
        ) from error
    except Exception as error:  # a made-up pickle can fail in any way
        raise WeightsError(
            f'{path} cannot be read as a checkpoint: '
            f'{type(error).__name__}: {str(error)[:200]}'
        ) from error


def fit_checkpoint(
    checkpoint: dict,
    model: nn.Module,
    path: str | Path,
    known: Mapping[str, str] | None = None,
) -> None:
    """Complete a checkpoint from the model's frozen base and compare them.

    Args:
        checkpoint (dict): From :func:`read_checkpoint`; changed in place.
        model (nn.Module): Not wrapped, as its config builds it.
        path (str | Path): The file, for errors.
        known (Mapping[str, str] | None): See :func:`restore_base`.

    Raises:
        WeightsError: If the checkpoint belongs to another base or another
            config.
    """
    restore_base(checkpoint, model, path, known)
    state, ours = checkpoint['state_dict'], model.state_dict()
    missing = sorted(ours.keys() - state.keys())
    extra = sorted(
        (state.keys() | (checkpoint.get('base') or {}).keys()) - ours.keys()
    )
    both = sorted(ours.keys() & state.keys())
    shape = [k for k in both if ours[k].shape != state[k].shape]
    kind = [
        k
        for k in both
        if ours[k].is_floating_point() != state[k].is_floating_point()
    ]
    if missing or extra or shape or kind:
        raise WeightsError(
            f'{path} belongs to another config: {len(missing)} tensors of '
            f'this model are not in it {missing[:2]}, {len(extra)} of its own '
            f'are not in the model {extra[:2]}, {len(shape)} differ in shape '
            f'{shape[:2]}, {len(kind)} in being whole numbers {kind[:2]}'
        )


def load_model(
    model: nn.Module, path: str | Path, cfg: Mapping | None = None
) -> dict[str, Any]:
    """Fill a model from a checkpoint, completely.

    Args:
        model (nn.Module): Not wrapped, as its config builds it.
        path (str | Path): The file, full or an adapter.
        cfg (Mapping | None): The whole config; what the checkpoint says of
            its own is compared with it.

    Returns:
        dict[str, Any]: The checkpoint.

    Raises:
        WeightsError: If the file cannot be read, or belongs to another model
            or another config.
    """
    checkpoint = read_checkpoint(path)
    fit_checkpoint(checkpoint, model, path)
    if cfg is not None:
        check_settings(checkpoint['meta'], path, cfg)
    model.load_state_dict(checkpoint['state_dict'])
    return checkpoint
