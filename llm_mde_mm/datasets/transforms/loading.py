"""Loading a picture and its depth map into a pipeline's results."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from llm_mde_mm.datasets.transforms.geometry import fit_picture
from llm_mde_mm.datasets.transforms.reading import decode_file, read_depth
from llm_mde_mm.utils.errors import ConfigError, DataError


def _is_turned(path: str, image: np.ndarray) -> bool:
    """Say whether EXIF data have turned a picture in decoding."""
    data = Path(path).read_bytes()
    # As JPEG, PNG and WebP call it; a PNG may have it at its end.
    if not any(name in data for name in (b'Exif', b'eXIf', b'EXIF')):
        return False
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    return not np.array_equal(decode_file(path, 'picture', flags, None), image)


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
        image = decode_file(
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
