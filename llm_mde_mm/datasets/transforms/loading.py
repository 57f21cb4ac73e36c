"""Reading a picture and its depth map; a damaged file raises, by name."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from llm_mde_mm.datasets.transforms.depth_formats import parse_npy, parse_pfm
from llm_mde_mm.datasets.transforms.geometry import fit_picture
from llm_mde_mm.utils.errors import ConfigError, DataError

_JPEG_START, _JPEG_SCAN, _JPEG_END = b'\xff\xd8', b'\xff\xda', b'\xff\xd9'
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
    report nothing. The end marker is looked for behind the last scan, since
    an embedded preview has one of its own; it cannot occur inside a scan,
    where every 0xFF is followed by 0x00 or a restart marker.
    """
    if data.startswith(_JPEG_START):
        return data.find(_JPEG_END, max(data.rfind(_JPEG_SCAN), 0)) < 0
    return data.startswith(_PNG_START) and _PNG_END not in data


def _decode(
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


def _is_turned(path: str, image: np.ndarray) -> bool:
    """Say whether EXIF data have turned a picture in decoding."""
    with open(path, 'rb') as stream:
        if b'Exif' not in stream.read(1 << 16):
            return False
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    return not np.array_equal(_decode(path, 'picture', flags, None), image)


@TRANSFORMS.register_module()
class LoadPicture(BaseTransform):
    """Read the picture at ``img_path``.

    Sets ``img``, uint8 BGR (H, W, 3), and ``img_shape`` and ``ori_shape``,
    both (H, W). An item's ``image_sha256``, if it has one, must be the
    file's.

    A picture that its EXIF data turn is turned, unless a depth map belongs to
    it, which would stay as it is.

    Raises:
        DataError: The file is missing, empty, truncated, no picture or
            another than its digest says; or one with depth is to be turned.
    """

    deterministic = True

    def transform(self, results: dict) -> dict:
        """Add the picture to ``results``."""
        path = results['img_path']
        image = _decode(
            path, 'picture', cv2.IMREAD_COLOR, results.get('image_sha256')
        )
        if results.get('depth_map_path') and _is_turned(path, image):
            raise DataError(
                f'{path}: picture is stored turned (EXIF orientation), which '
                'its depth map is not: save it upright, without orientation'
            )
        results['img'] = image
        results['img_shape'] = image.shape[:2]
        results['ori_shape'] = image.shape[:2]
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'


@TRANSFORMS.register_module()
class LoadDepth(BaseTransform):
    """Read the depth map at ``depth_map_path``, after :class:`LoadPicture`.

    The name's end tells the format: ``.npy`` (a NumPy array of any number
    type), ``.pfm`` (portable float map), and else a 16-bit picture such as
    PNG. The scale holds for all of them: files in metres need
    ``depth_scale=1``.

    Sets ``gt_depth_map``, float32 (H, W) in metres, 0 = no measurement, and
    appends its name to ``seg_fields``. What is negative, infinite or NaN in
    the file counts as not measured.

    An item may bring its own ``metres_per_unit``, ``invalid_values`` and
    ``resize_picture``, as those of ``DepthFolderDataset`` do; they replace
    the arguments. Its ``depth_sha256``, if it has one, must be the file's.

    Args:
        depth_scale: Stored units a metre; 1000 for millimetres.
        invalid_values: Stored values that mean no measurement, besides 0.
        resize_picture: Whether a picture of another size is resized to the
            depth map's, which becomes its ``ori_shape``.

    Raises:
        ConfigError: ``depth_scale`` is not above 0, or no picture is loaded.
        DataError: The file is missing, empty, truncated or undecodable,
            another than its digest says, a picture that is not 16-bit with
            one channel, or has not the picture's size; with
            ``resize_picture``, if their shapes differ by more than 1 %.
    """

    deterministic = True

    def __init__(
        self,
        depth_scale: float = 1000.0,
        invalid_values: Sequence[float] = (),
        resize_picture: bool = False,
    ) -> None:
        if not 0 < depth_scale < float('inf'):
            raise ConfigError(
                f'LoadDepth: depth_scale must be above 0, got {depth_scale}'
            )
        self.depth_scale = float(depth_scale)
        self.invalid_values = tuple(invalid_values)
        self.resize_picture = resize_picture

    def transform(self, results: dict) -> dict:
        """Add the depth map to ``results``."""
        if 'ori_shape' not in results:
            raise ConfigError('put LoadPicture before LoadDepth')
        path = results['depth_map_path']
        stored = read_depth(path, results.get('depth_sha256'))
        if stored.shape != tuple(results['ori_shape'][:2]):
            resize = results.get('resize_picture', self.resize_picture)
            fit_picture(results, path, stored.shape, resize)
        invalid = results.get('invalid_values', self.invalid_values)
        results['gt_depth_map'] = self._metres(
            stored, results.get('metres_per_unit'), invalid
        )
        results['seg_fields'] = [
            *results.get('seg_fields', ()),
            'gt_depth_map',
        ]
        return results

    def _metres(
        self,
        stored: np.ndarray,
        metres_per_unit: float | None,
        invalid: Sequence[float],
    ) -> np.ndarray:
        """Return stored units (H, W) as float32 metres, 0 where invalid."""
        depth = stored.astype(np.float32)
        if metres_per_unit is None:
            depth /= np.float32(self.depth_scale)
        else:
            depth *= np.float32(metres_per_unit)
        lost = ~np.isfinite(depth) | (depth < 0)
        if len(invalid):
            # 99.9 in float32 is not Python's 99.9; -1 is no uint16 at all.
            kind = stored.dtype if stored.dtype.kind == 'f' else None
            lost |= np.isin(stored, np.asarray(invalid, kind))
        depth[lost] = 0
        return depth

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(depth_scale={self.depth_scale}, '
            f'invalid_values={self.invalid_values}, '
            f'resize_picture={self.resize_picture})'
        )


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
    depth = _decode(path, 'depth map', cv2.IMREAD_UNCHANGED, sha256)
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
