"""Colour changes of the picture; depth does not depend on them."""

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmseg.registry import TRANSFORMS

from llm_mde_mm.utils.errors import ConfigError


@TRANSFORMS.register_module()
class ColourJitter(BaseTransform):
    """Change brightness, contrast, saturation and gamma at random.

    Each argument r draws a factor from 1 - r to 1 + r; 0 leaves that
    property alone. With pixels x in 0 to 1, in this order: brightness
    x f; contrast m + f (x - m) with m the picture's mean grey; saturation
    g + f (x - g) with g the pixel's grey; gamma x ** f. Values are cut to
    0 to 1 before gamma and rounded once, at the end.

    Args:
        brightness: Range r of the brightness factor, 0 to below 1.
        contrast: Range r of the contrast factor.
        saturation: Range r of the saturation factor.
        gamma: Range r of the exponent.

    Raises:
        ConfigError: A range is below 0, or 1 and above.
    """

    def __init__(
        self,
        brightness: float = 0.2,
        contrast: float = 0.2,
        saturation: float = 0.2,
        gamma: float = 0.1,
    ) -> None:
        self.ranges = dict(
            brightness=brightness,
            contrast=contrast,
            saturation=saturation,
            gamma=gamma,
        )
        for key, value in self.ranges.items():
            if not 0 <= value < 1:
                raise ConfigError(
                    f'ColourJitter: {key} must be 0 to below 1, got {value}'
                )

    @cache_randomness
    def _draw(self) -> list[float]:
        return [
            float(np.random.uniform(1 - value, 1 + value))
            for value in self.ranges.values()
        ]

    def transform(self, results: dict) -> dict:
        """Change ``img``, uint8 BGR (H, W, 3)."""
        brightness, contrast, saturation, gamma = self._draw()
        image = results['img'].astype(np.float32) / 255 * brightness
        mean = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).mean()
        image = mean + contrast * (image - mean)
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)[..., None]
        image = grey + saturation * (image - grey)
        image = np.clip(image, 0, 1) ** gamma
        results['img'] = np.rint(image * 255).astype(np.uint8)
        return results

    def __repr__(self) -> str:
        ranges = ', '.join(f'{k}={v}' for k, v in self.ranges.items())
        return f'{type(self).__name__}({ranges})'
