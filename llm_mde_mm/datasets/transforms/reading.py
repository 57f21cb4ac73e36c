"""Files of pictures and depth as arrays; a damaged one raises, by name."""

import hashlib
import re
from pathlib import Path

import cv2
import numpy as np

from llm_mde_mm.datasets.transforms.depth_formats import parse_npy, parse_pfm
from llm_mde_mm.utils.errors import DataError

_JPEG_START, _JPEG_END = b'\xff\xd8', b'\xd9'
# Not what stands for 0xFF in a scan, nor one of its restart markers.
_JPEG_MARKER = re.compile(rb'\xff+([^\x00\xff\xd0-\xd7])', re.DOTALL)
_PNG_START, _PNG_END = b'\x89PNG\r\n\x1a\n', b'IEND'
_FORMATS = {'.npy': parse_npy, '.pfm': parse_pfm}


def _read(path: str, kind: str) -> bytes:
    """Return a file's bytes, or say that it is missing or empty."""
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError as error:
        raise DataError(f'{path}: {kind} is missing') from error
    except OSError as error:
        raise DataError(f'{path}: {kind} cannot be read: {error}') from error
    if not data:
        raise DataError(f'{path}: {kind} is empty (0 bytes); copy it again')
    return data


def _check_hash(path: str, kind: str, data: bytes, sha256: str | None) -> None:
    """Raise if bytes that decode are not those that a manifest lists."""
    if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
        raise DataError(
            f'{path}: {kind} is not the file that the manifest or index '
            'lists, its SHA-256 differs: it is damaged or was changed; copy '
            'it again, or set check_hashes=False'
        )


def _is_cut_off(data: bytes) -> bool:
    """Say whether a JPEG or PNG ends early.

    Many OpenCV versions fill the rest of a truncated JPEG with grey and
    report nothing.
    """
    if data.startswith(_JPEG_START):
        return not _has_end(data)
    return data.startswith(_PNG_START) and _PNG_END not in data


def _has_end(data: bytes) -> bool:
    """Walk a JPEG's segments to its end marker.

    An embedded preview has one of its own, inside a segment. What follows the
    picture, as the film of a phone's does, is not looked at.
    """
    marker = _JPEG_MARKER.search(data, len(_JPEG_START))
    while marker and marker[1] != _JPEG_END:
        length = int.from_bytes(data[marker.end() : marker.end() + 2], 'big')
        marker = _JPEG_MARKER.search(data, marker.end() + length)
    return marker is not None


def decode_file(
    path: str, kind: str, flags: int, sha256: str | None
) -> np.ndarray:
    """Read and decode a file.

    Args:
        path: The file.
        kind: What to call it in a message.
        flags: OpenCV's imread flags.
        sha256: What the file's digest must be, if that is known.

    Returns:
        Pixels, (H, W) or (H, W, C).

    Raises:
        DataError: The file is missing, empty, another than ``sha256`` says,
            truncated or no picture.
    """
    data = _read(path, kind)
    if _is_cut_off(data):
        raise DataError(
            f'{path}: {kind} is truncated ({len(data)} bytes without an end '
            'marker); copy it again'
        )
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise DataError(
            f'{path}: {kind} cannot be decoded: {error}'
        ) from error
    if pixels is None:
        raise DataError(
            f'{path}: {kind} cannot be decoded ({len(data)} bytes): it is '
            'damaged or no picture'
        )
    _check_hash(path, kind, data, sha256)
    return pixels


def read_depth(path: str, sha256: str | None = None) -> np.ndarray:
    """Return a depth file's stored values (H, W), in the file's own unit.

    Args:
        path: ``.npy``, ``.pfm``, or a 16-bit picture such as PNG.
        sha256: What the file's digest must be, if that is known.

    Raises:
        DataError: See :class:`LoadDepth`.
    """
    parse = _FORMATS.get(Path(path).suffix.lower())
    if parse is not None:
        data = _read(path, 'depth map')
        try:
            values = parse(data)
        except ValueError as error:
            raise DataError(
                f'{path}: depth map cannot be decoded: {error}'
            ) from error
        _check_hash(path, 'depth map', data, sha256)
        return values
    depth = decode_file(path, 'depth map', cv2.IMREAD_UNCHANGED, sha256)
    if depth.dtype == np.uint8:
        raise DataError(
            f'{path}: depth map is 8-bit; 16-bit millimetres expected, '
            'a colour picture or a converted file?'
        )
    if depth.dtype != np.uint16:
        raise DataError(
            f'{path}: depth map is {depth.dtype}; 16-bit millimetres expected'
        )
    if depth.ndim != 2:
        raise DataError(
            f'{path}: depth map has {depth.shape[2]} channels; 1 expected'
        )
    return depth
