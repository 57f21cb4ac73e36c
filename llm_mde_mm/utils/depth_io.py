"""Depth files: 16-bit PNG in millimetres, NumPy, written whole or not."""

import io
import warnings
from pathlib import Path

import cv2
import numpy as np

from llm_mde_mm.utils.errors import WriteError
from llm_mde_mm.utils.whole_file import whole_file

_MILLIMETRES = 1000.0
_MAX_UINT16 = 65535


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all.

    Args:
        path (Path): The file; its folder is made.
        data (bytes): Its content.

    Raises:
        WriteError: It cannot be written; what was there stays as it was.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as stream:
            stream.write(data)
    except OSError as error:
        raise WriteError(
            f'{path} cannot be written: {error.strerror or error}; free some '
            'space, or choose another folder'
        ) from error


def write_picture(path: Path, picture: np.ndarray) -> None:
    """Write a BGR or one-channel picture as PNG.

    Args:
        path (Path): ``*.png``.
        picture (np.ndarray): ``(H, W, 3)`` uint8 or ``(H, W)`` uint16.
    """
    write_bytes(path, cv2.imencode('.png', picture)[1].tobytes())


def millimetres(depth: np.ndarray) -> np.ndarray:
    """Depth in metres as uint16 millimetres; beyond 65.535 m it is clipped."""
    stored = np.rint(depth.astype(np.float64) * _MILLIMETRES)
    return stored.clip(0, _MAX_UINT16).astype(np.uint16)


def write_depth_png(path: Path, depth: np.ndarray) -> None:
    """Write depth as uint16 millimetres; beyond 65.535 m it is clipped.

    What is clipped is warned of, once a folder.

    Args:
        path (Path): ``*.png``.
        depth (np.ndarray): ``(H, W)`` in metres.
    """
    if depth.max(initial=0) > _MAX_UINT16 / _MILLIMETRES:
        warnings.warn(
            f'{path.parent}: depth beyond 65.535 m is stored as 65.535 m, '
            'the most that 16-bit millimetres hold; npy files hold any',
            stacklevel=2,
        )
    write_picture(path, millimetres(depth))


def write_depth_npy(path: Path, depth: np.ndarray) -> None:
    """Write depth as float32 metres.

    Args:
        path (Path): ``*.npy``.
        depth (np.ndarray): ``(H, W)`` in metres.
    """
    stream = io.BytesIO()
    np.save(stream, depth.astype(np.float32))
    write_bytes(path, stream.getvalue())
