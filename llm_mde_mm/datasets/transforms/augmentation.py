"""Rotation, and depth pasted into the picture."""

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmseg.registry import TRANSFORMS

from llm_mde_mm.datasets.transforms.checks import check_pair, check_prob
from llm_mde_mm.utils.errors import ConfigError


@TRANSFORMS.register_module()
class RandomRotatePair(BaseTransform):
    """Turn picture and ``gt_depth_map``, if there is one, about the centre.

    The picture is interpolated bilinearly. Depth is moved by nearest
    neighbour: a mean over an edge would be a distance at which nothing is.
    What comes from outside is black in the picture and 0, no measurement,
    in the depth map, so that no loss or metric sees it.

    Args:
        degree: Largest angle to either side, in degrees, 0 to 180.
        prob: Probability, 0 to 1.

    Raises:
        ConfigError: An argument is out of its range, or picture and depth
            differ in size.
    """

    def __init__(self, degree: float = 2.5, prob: float = 0.5) -> None:
        if not 0 <= degree <= 180:
            raise ConfigError(
                f'RandomRotatePair: degree must lie in 0 to 180, got {degree}'
            )
        self.degree = degree
        self.prob = check_prob(self, prob)

    @cache_randomness
    def _draw(self) -> float:
        """Return the angle in degrees, 0 to leave the pair alone."""
        turn = np.random.rand() < self.prob
        angle = float(np.random.uniform(-self.degree, self.degree))
        return angle if turn else 0.0

    def transform(self, results: dict) -> dict:
        """Turn ``img`` and ``gt_depth_map`` counter-clockwise."""
        check_pair(self, results)
        angle = self._draw()
        if not angle:
            return results
        height, width = results['img'].shape[:2]
        # Pixel centres have whole coordinates in OpenCV.
        centre = ((width - 1) / 2, (height - 1) / 2)
        matrix = cv2.getRotationMatrix2D(centre, angle, 1)
        for key, flags in (
            ('img', cv2.INTER_LINEAR),
            ('gt_depth_map', cv2.INTER_NEAREST),
        ):
            if key in results:
                results[key] = cv2.warpAffine(
                    results[key],
                    matrix,
                    (width, height),
                    flags=flags,
                    borderMode=cv2.BORDER_CONSTANT,
                    borderValue=0,
                )
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(degree={self.degree}, prob={self.prob})'


@TRANSFORMS.register_module()
class VerticalCutDepth(BaseTransform):
    """Replace an upright strip of the picture by its depth.

    Vertical CutDepth of Global-Local Path Networks (arXiv 2201.07436): with
    a and b drawn from 0 to 1, the strip has the picture's full height, its
    left edge at a W and the width max((W - a W) b p, 1). Depth becomes a
    grey of 255 at ``max_depth``; where nothing was measured the picture
    stays.

    Args:
        max_depth: Depth in metres that is white; more is white too.
        max_share: p, the largest part of what lies right of the left edge.
        prob: Probability, 0 to 1.

    Raises:
        ConfigError: An argument is out of its range, or picture and depth
            differ in size.
    """

    def __init__(
        self,
        max_depth: float = 10.0,
        max_share: float = 0.75,
        prob: float = 0.25,
    ) -> None:
        if not 0 < max_depth < float('inf'):
            raise ConfigError(
                f'VerticalCutDepth: max_depth must be above 0, got {max_depth}'
            )
        if not 0 < max_share <= 1:
            raise ConfigError(
                'VerticalCutDepth: max_share must be above 0 and up to 1, '
                f'got {max_share}'
            )
        self.max_depth = max_depth
        self.max_share = max_share
        self.prob = check_prob(self, prob)

    @cache_randomness
    def _draw(self) -> tuple[bool, float, float]:
        """Return whether to paste, then a and b."""
        paste = bool(np.random.rand() < self.prob)
        left, share = np.random.rand(2)
        return paste, float(left), float(share)

    def transform(self, results: dict) -> dict:
        """Paste a strip of ``gt_depth_map`` into ``img``."""
        check_pair(self, results)
        paste, a, b = self._draw()
        if not paste or 'gt_depth_map' not in results:
            return results
        width = results['img'].shape[1]
        left = int(a * width)
        strip = slice(
            left, left + int(max((width - a * width) * b * self.max_share, 1))
        )
        depth = results['gt_depth_map'][:, strip]
        grey = np.rint(depth * (255 / self.max_depth)).clip(0, 255)
        image = results['img'].copy()
        image[:, strip] = np.where(
            depth[..., None] > 0, grey[..., None], image[:, strip]
        ).astype(np.uint8)
        results['img'] = image
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(max_depth={self.max_depth}, '
            f'max_share={self.max_share}, prob={self.prob})'
        )
