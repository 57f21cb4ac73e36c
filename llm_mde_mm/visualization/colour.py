"""Depth in [m] as colours."""

import matplotlib
import numpy as np

DEPTH_CMAP = 'turbo_r'
"""Near is red, far is blue; the map holds no grey."""

INVALID_COLOUR = (150, 150, 150)
"""RGB of pixels without a value."""


def colourise_depth(
    depth: np.ndarray,
    vmin: float,
    vmax: float,
    cmap: str = DEPTH_CMAP,
    invalid_colour: tuple[int, int, int] = INVALID_COLOUR,
    valid: np.ndarray | None = None,
) -> np.ndarray:
    """Give every depth its colour on a fixed scale.

    The scale is an argument, never the map's own range, so that one colour
    means one depth in every map drawn with it. Depths beyond its ends take
    the colour of the end.

    Args:
        depth (ndarray): Depth (H, W) in [m].
        vmin (float): Depth in [m] of the first colour.
        vmax (float): Depth in [m] of the last colour.
        cmap (str): Name of a Matplotlib colour map. Defaults to Turbo with
            near in red.
        invalid_colour (tuple[int, int, int]): RGB of pixels without a value.
        valid (ndarray, optional): Boolean (H, W). Defaults to the pixels
            that are positive and finite.

    Returns:
        ndarray: RGB picture (H, W, 3), uint8.

    Raises:
        ValueError: If a shape does not fit, the scale is not ascending or
            the colour map is unknown.
    """
    if depth.ndim != 2:
        raise ValueError(f'depth must be (H, W), got {depth.shape}')
    if not vmin < vmax:
        raise ValueError(f'need vmin < vmax, got {vmin} and {vmax}')
    if cmap not in matplotlib.colormaps:
        raise ValueError(f'Matplotlib has no colour map {cmap!r}')
    if valid is None:
        valid = np.isfinite(depth) & (depth > 0)
    elif valid.shape != depth.shape:
        raise ValueError(
            f'valid must be {depth.shape} as depth, got {valid.shape}'
        )
    # Invalid entries may be NaN, which has no index into the colour map.
    shown = np.where(valid, depth, vmin).astype(np.float64)
    position = np.clip((shown - vmin) / (vmax - vmin), 0.0, 1.0)
    rgb = matplotlib.colormaps[cmap](position, bytes=True)[..., :3].copy()
    rgb[~valid] = invalid_colour
    return rgb
