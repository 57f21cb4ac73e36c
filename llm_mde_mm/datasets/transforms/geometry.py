"""Resizing and flipping a picture and its depth map.

Depth is only ever moved, by nearest neighbour: a mean over an edge would be
a distance at which nothing is, and a mean with 0 (no measurement) a wrong
one. Values stay in metres. Random draws come from NumPy's global generator,
which :class:`SeededDataset` seeds for each picture.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmseg.registry import TRANSFORMS

from llm_mde_mm.datasets.transforms.checks import check_prob
from llm_mde_mm.utils.errors import ConfigError, DataError

# 1296 x 968 and 640 x 480, as in ScanNet, differ by 0.4 %.
_STRETCH = 0.01


def _resize_depth(depth: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a map by nearest neighbour, sampled at pixel centres.

    OpenCV's INTER_NEAREST samples at the upper left corners instead, half an
    output pixel away from where INTER_AREA and INTER_LINEAR put the picture.

    Args:
        depth: (H, W).
        size: Height and width wanted, (h, w).

    Returns:
        (h, w), contiguous, with values of ``depth`` only.
    """
    rows, columns = (
        (2 * np.arange(new) + 1) * old // (2 * new)
        for new, old in zip(size, depth.shape, strict=True)
    )
    return depth[rows[:, None], columns[None, :]]


@TRANSFORMS.register_module()
class ResizePicture(BaseTransform):
    """Resize the picture alone; the ground truth keeps its own size.

    For validation and test, where a prediction is scored at the size of the
    depth map. Shrinks by area, enlarges bilinearly. Sets ``img_shape``
    (H, W) and ``scale_factor`` (width, height), mmcv's orders.

    Args:
        size: Height and width (H, W), or one number for both.

    Raises:
        ConfigError: ``size`` is not one or two whole numbers above 0.
    """

    deterministic = True

    def __init__(self, size: int | Sequence[int]) -> None:
        pair = tuple(size) if isinstance(size, Sequence) else (size, size)
        if len(pair) != 2 or any(
            isinstance(side, bool) or not isinstance(side, int) or side < 1
            for side in pair
        ):
            raise ConfigError(
                f'{type(self).__name__}: size must be (height, width), two '
                f'whole numbers above 0, got {size!r}'
            )
        self.size: tuple[int, int] = (pair[0], pair[1])

    def transform(self, results: dict) -> dict:
        """Resize ``img``."""
        old_h, old_w = results['img'].shape[:2]
        new_h, new_w = self.size
        smaller = new_h <= old_h and new_w <= old_w
        results['img'] = cv2.resize(
            results['img'],
            (new_w, new_h),
            interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR,
        )
        results['img_shape'] = self.size
        results['scale_factor'] = (new_w / old_w, new_h / old_h)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(size={self.size})'


def fit_picture(
    results: dict, path: str, size: tuple[int, ...], resize: bool
) -> None:
    """Resize the picture to its depth map's size, or raise.

    Args:
        results: With ``img`` and ``ori_shape``, which change.
        path: The depth map's file, for the message.
        size: Height and width (H, W) of the depth map.
        resize: Whether that was asked for.

    Raises:
        DataError: It was not, or the two shapes differ by more than 1 %.
    """
    height, width = results['ori_shape'][:2]
    sizes = (
        f'{path}: depth map is {size[0]} x {size[1]} (height x width), its '
        f'picture {height} x {width}'
    )
    if not resize:
        raise DataError(
            f'{sizes}; where both show the same view, resize_picture=True of '
            'DepthFolderDataset or LoadDepth brings pictures to that size'
        )
    stretch = abs(height * size[1] / (width * size[0]) - 1)
    if stretch > _STRETCH:
        raise DataError(
            f'{sizes}: their shapes differ by {stretch:.1%}, so that they do '
            'not show the same view; crop one first'
        )
    ResizePicture((size[0], size[1])).transform(results)
    results['ori_shape'] = results['img_shape']


@TRANSFORMS.register_module()
class ResizePair(ResizePicture):
    """Resize the picture and ``gt_depth_map``, if there is one, for training.

    Args:
        size: Height and width (H, W), or one number for both.

    Raises:
        ConfigError: ``size`` is not one or two whole numbers above 0.
    """

    def transform(self, results: dict) -> dict:
        """Resize ``img`` and ``gt_depth_map``."""
        results = super().transform(results)
        if 'gt_depth_map' in results:
            results['gt_depth_map'] = _resize_depth(
                results['gt_depth_map'], self.size
            )
        return results


@TRANSFORMS.register_module()
class RandomHorizontalFlip(BaseTransform):
    """Mirror the picture and ``gt_depth_map``, if there is one, together.

    Sets ``flip`` and ``flip_direction`` as mmcv's ``RandomFlip`` does.

    Args:
        prob: Probability, 0 to 1.

    Raises:
        ConfigError: ``prob`` is no probability.
    """

    def __init__(self, prob: float = 0.5) -> None:
        self.prob = check_prob(self, prob)

    @cache_randomness
    def _draw(self) -> bool:
        return bool(np.random.rand() < self.prob)

    def transform(self, results: dict) -> dict:
        """Mirror, or leave as it is."""
        flip = self._draw()
        results['flip'] = flip
        results['flip_direction'] = 'horizontal' if flip else None
        if flip:
            results['img'] = cv2.flip(results['img'], 1)
            if 'gt_depth_map' in results:
                results['gt_depth_map'] = cv2.flip(results['gt_depth_map'], 1)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(prob={self.prob})'
