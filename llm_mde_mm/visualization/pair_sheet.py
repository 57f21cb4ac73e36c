"""Pictures beside their depth, two pairs a row."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .canvas import Canvas
from .colour import colourise_depth
from .scales import depth_ticks

# Sizes in pixels of the sheet.
_PANEL, _GAP, _MARGIN = 320, 8, 16
_HEADER, _CAPTION = 92, 30
_PAIRS = 2
_WIDTH = 2 * _PAIRS * (_PANEL + _GAP) - _GAP + 2 * _MARGIN


class PairCell(NamedTuple):
    """One picture of a sheet.

    Attributes:
        image: RGB picture (H, W, 3), uint8.
        depth: Depth (H, W) in [m], 0 where nothing was measured.
        caption: What to call the picture.
    """

    image: np.ndarray
    depth: np.ndarray
    caption: str


def pair_sheet(cells: Sequence[PairCell], title: str) -> np.ndarray:
    """Draw pictures, each with its depth to the right of it.

    All depth maps share one colour scale in metres, which has a legend.

    Args:
        cells: The pictures; sizes may differ.
        title: Line above the sheet.

    Returns:
        RGB (H', W', 3), uint8.

    Raises:
        ValueError: There is no picture.
    """
    if not cells:
        raise ValueError('a sheet needs at least one picture')
    ticks = depth_ticks([cell.depth[cell.depth > 0] for cell in cells])
    rows = [cells[i : i + _PAIRS] for i in range(0, len(cells), _PAIRS)]
    heights = [
        max(
            round(_PANEL * cell.image.shape[0] / cell.image.shape[1])
            for cell in row
        )
        for row in rows
    ]
    height = _HEADER + sum(heights) + _CAPTION * len(rows) + _MARGIN
    canvas = Canvas(_WIDTH, height)
    canvas.text(_MARGIN, 10, title, 14, weight='bold')
    canvas.depth_scale(_MARGIN + 12, 44, _WIDTH - 2 * _MARGIN - 24, 14, ticks)
    top = _HEADER
    for row, row_height in zip(rows, heights, strict=True):
        for column, cell in enumerate(row):
            x = _MARGIN + 2 * column * (_PANEL + _GAP)
            canvas.text(x, top + 8, cell.caption, 11)
            for rgb in (
                cell.image,
                colourise_depth(cell.depth, ticks[0], ticks[-1]),
            ):
                shown = round(_PANEL * rgb.shape[0] / rgb.shape[1])
                canvas.picture(rgb, x, top + _CAPTION, _PANEL, shown)
                x += _PANEL + _GAP
        top += _CAPTION + row_height
    return canvas.render()
