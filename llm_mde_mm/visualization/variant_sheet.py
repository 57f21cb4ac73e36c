"""Pictures beside ground truth and the depth of several models."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from .canvas import Canvas
from .colour import colourise_depth
from .scales import depth_ticks

# Sizes in pixels.
_PANEL, _GAP, _MARGIN = 240, 8, 16
_HEADER, _NAMES, _CAPTION = 88, 30, 26


class VariantRow(NamedTuple):
    """One picture of the sheet.

    Attributes:
        image: RGB picture (H, W, 3), uint8.
        gt: Ground truth (H, W) in [m], 0 where nothing was measured.
        preds: Predictions (H, W) in [m] by the variant's name.
        caption: What to call the picture.
    """

    image: np.ndarray
    gt: np.ndarray
    preds: Mapping[str, np.ndarray]
    caption: str


def variant_sheet(rows: Sequence[VariantRow], title: str) -> np.ndarray:
    """Draw a row a picture: itself, ground truth, and each variant's depth.

    All depth maps share one colour scale in metres, made for the ground
    truth, with a legend. Below a prediction stands its Abs Rel over every
    pixel with ground truth, without crop or alignment.

    Args:
        rows: The pictures, all with the same variants; sizes may differ.
        title: Line above the sheet.

    Returns:
        RGB (H', W', 3), uint8.

    Raises:
        ValueError: There is no picture, or sizes or variants differ.
    """
    if not rows:
        raise ValueError('a sheet needs at least one picture')
    names = list(rows[0].preds)
    for row in rows:
        shapes = {pred.shape for pred in row.preds.values()}
        if list(row.preds) != names or shapes != {row.gt.shape}:
            raise ValueError(
                f'{row.caption}: each variant needs a depth map of the ground '
                f"truth's size {row.gt.shape}"
            )
    ticks = depth_ticks([row.gt[row.gt > 0] for row in rows])
    heights = [
        round(_PANEL * row.gt.shape[0] / row.gt.shape[1]) for row in rows
    ]
    columns = len(names) + 2
    width = columns * (_PANEL + _GAP) - _GAP + 2 * _MARGIN
    top = _HEADER + _NAMES
    canvas = Canvas(width, top + sum(heights) + _CAPTION * len(rows) + 8)
    canvas.text(_MARGIN, 10, title, 14, weight='bold')
    canvas.text(
        width - _MARGIN,
        14,
        'grey: not measured; no alignment',
        10,
        ha='right',
    )
    canvas.depth_scale(_MARGIN + 12, 44, width - 2 * _MARGIN - 24, 14, ticks)
    for place, name in enumerate(('picture', 'ground truth', *names)):
        x = _MARGIN + place * (_PANEL + _GAP) + _PANEL / 2
        canvas.text(x, _HEADER, name, 12, ha='center', weight='bold')
    for row, height in zip(rows, heights, strict=True):
        _draw(canvas, row, top, height, ticks)
        top += height + _CAPTION
    return canvas.render()


def _draw(
    canvas: Canvas, row: VariantRow, y: float, height: float, ticks: np.ndarray
) -> None:
    panels = [(row.image, row.caption)]
    panels.append((colourise_depth(row.gt, ticks[0], ticks[-1]), ''))
    measured = row.gt > 0
    for pred in row.preds.values():
        gt = row.gt[measured].astype(np.float64)
        error = np.abs(pred[measured] - gt) / gt
        text = f'Abs Rel {error.mean():.3f}' if gt.size else ''
        panels.append((colourise_depth(pred, ticks[0], ticks[-1]), text))
    for place, (rgb, text) in enumerate(panels):
        x = _MARGIN + place * (_PANEL + _GAP)
        canvas.picture(rgb, x, y, _PANEL, height)
        canvas.text(x, y + height + 4, text[-34:], 10)
