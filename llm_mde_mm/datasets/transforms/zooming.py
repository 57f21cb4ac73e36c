"""Nearer and farther: a window of a picture, or a larger canvas.

Depth stays in metres, and is moved, never interpolated. Random draws come from
NumPy's global generator, which :class:`SeededDataset` seeds for each picture.
"""

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmseg.registry import TRANSFORMS

from llm_mde_mm.datasets.transforms.checks import check_pair, check_prob
from llm_mde_mm.utils.errors import ConfigError


@TRANSFORMS.register_module()
class RandomCropPair(BaseTransform):
    """Cut one window of the picture's shape out of picture and depth.

    Its sides are a random part of the picture's, and so is its place.
    :class:`ResizePair`, which belongs after it, enlarges the window as a
    longer lens would. Through the picture's own lens the same view is of
    things that are nearer by the part of a side: ``rescale_depth`` makes them
    so. Without it keep ``min_scale`` near 1 where absolute scale is to be
    learnt.

    Args:
        min_scale: The smallest part of a side, above 0 and up to 1.
        rescale_depth: Multiply depth by the part of a side that was drawn.

    Raises:
        ConfigError: ``min_scale`` is outside that range, or picture and
            depth differ in size.
    """

    def __init__(
        self, min_scale: float = 0.8, rescale_depth: bool = False
    ) -> None:
        if not 0 < min_scale <= 1:
            raise ConfigError(
                'RandomCropPair: min_scale must be above 0 and up to 1, got '
                f'{min_scale}'
            )
        self.min_scale = min_scale
        self.rescale_depth = rescale_depth

    @cache_randomness
    def _draw(self) -> tuple[float, float, float]:
        """Return the part of a side, then the place from top and left."""
        scale = np.random.uniform(self.min_scale, 1)
        top, left = np.random.rand(2)
        return float(scale), float(top), float(left)

    def transform(self, results: dict) -> dict:
        """Cut ``img`` and ``gt_depth_map``."""
        check_pair(self, results)
        height, width = results['img'].shape[:2]
        scale, top, left = self._draw()
        new_h = max(1, round(height * scale))
        new_w = max(1, round(width * scale))
        y = int(top * (height - new_h + 1))
        x = int(left * (width - new_w + 1))
        for key in ('img', 'gt_depth_map'):
            if key in results:
                window = results[key][y : y + new_h, x : x + new_w]
                results[key] = np.ascontiguousarray(window)
        if self.rescale_depth and 'gt_depth_map' in results:
            depth = results['gt_depth_map']
            results['gt_depth_map'] = depth * depth.dtype.type(scale)
        results['img_shape'] = (new_h, new_w)
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(min_scale={self.min_scale}, '
            f'rescale_depth={self.rescale_depth})'
        )


@TRANSFORMS.register_module()
class RandomZoomOutPair(BaseTransform):
    """Put the picture on a larger canvas, which is filled by mirroring it.

    The canvas has the picture's shape; what is mirrored has no depth.
    :class:`ResizePair`, which belongs after it, shrinks the canvas as a
    shorter lens would. Through the picture's own lens the same view is of
    things that are farther by the canvas's size over the picture's, and depth
    is multiplied by that. The counterpart of :class:`RandomCropPair`.

    Args:
        max_zoom: The largest canvas, in sides of the picture, 1 to 3.
        prob: Probability, 0 to 1.
        max_depth: What the zoom brings beyond it, in metres, becomes 0, no
            measurement; None keeps all.

    Raises:
        ConfigError: An argument is out of its range, or picture and depth
            differ in size.
    """

    def __init__(
        self,
        max_zoom: float = 1.6,
        prob: float = 0.5,
        max_depth: float | None = None,
    ) -> None:
        # A mirror image of a whole picture on each side is 3.
        if not 1 <= max_zoom <= 3:
            raise ConfigError(
                f'RandomZoomOutPair: max_zoom must be 1 to 3, got {max_zoom}'
            )
        if max_depth is not None and not 0 < max_depth:
            raise ConfigError(
                'RandomZoomOutPair: max_depth must be above 0 or None, got '
                f'{max_depth}'
            )
        self.max_zoom = max_zoom
        self.prob = check_prob(self, prob)
        self.max_depth = max_depth

    @cache_randomness
    def _draw(self) -> tuple[float, float, float]:
        """Return the zoom, 1 for none, then the place from top and left."""
        chosen = np.random.rand() < self.prob
        zoom = np.random.uniform(1, self.max_zoom)
        top, left = np.random.rand(2)
        return float(zoom) if chosen else 1.0, float(top), float(left)

    def transform(self, results: dict) -> dict:
        """Enlarge the canvas of ``img`` and ``gt_depth_map``."""
        check_pair(self, results)
        zoom, top, left = self._draw()
        if zoom == 1:
            return results
        height, width = results['img'].shape[:2]
        more_h, more_w = round(height * (zoom - 1)), round(width * (zoom - 1))
        y, x = int(top * (more_h + 1)), int(left * (more_w + 1))
        edges = (y, more_h - y, x, more_w - x)
        results['img'] = cv2.copyMakeBorder(
            results['img'], *edges, cv2.BORDER_REFLECT
        )
        if 'gt_depth_map' in results:
            depth = results['gt_depth_map']
            depth = depth * depth.dtype.type(zoom)
            if self.max_depth is not None:
                depth[depth > self.max_depth] = 0
            results['gt_depth_map'] = cv2.copyMakeBorder(
                depth, *edges, cv2.BORDER_CONSTANT, value=0
            )
        results['img_shape'] = results['img'].shape[:2]
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(max_zoom={self.max_zoom}, '
            f'prob={self.prob}, max_depth={self.max_depth})'
        )
