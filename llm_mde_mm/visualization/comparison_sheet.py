"""Pictures, ground truth, predictions and errors side by side."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.image import imsave
from matplotlib.ticker import FixedLocator

from llm_mde_mm.utils.depth_io import write_bytes

from .canvas import INK, Canvas
from .colour import DEPTH_CMAP, INVALID_COLOUR, colourise_depth
from .scales import depth_ticks, error_ticks

ERROR_CMAP = 'magma'
_COLUMNS = ('picture', 'ground truth', 'prediction', 'absolute error')
# Sizes in pixels of the sheet.
_PANEL, _GAP, _MARGIN = 400, 10, 16
_TITLE, _HEADER, _CAPTION, _FOOTER = 44, 84, 38, 42
_WIDTH = 4 * _PANEL + 3 * _GAP + 2 * _MARGIN
_LONGEST_CAPTION = 100


class SheetRow(NamedTuple):
    """One picture of a comparison sheet.

    Attributes:
        image: RGB picture (H, W, 3), uint8.
        gt: Ground truth (H, W) in [m], 0 where nothing was measured.
        pred: Prediction (H, W) in [m].
        caption: What to call the picture, such as its file's name.
    """

    image: np.ndarray
    gt: np.ndarray
    pred: np.ndarray
    caption: str


def comparison_sheet(
    rows: Sequence[SheetRow],
    path: str | Path | None = None,
    max_depth: float | None = None,
    title: str | None = None,
) -> np.ndarray:
    """Draw one row a picture: itself, ground truth, prediction and error.

    Ground truth and prediction of all rows share one colour scale in metres,
    the errors another; both have a legend. The file appears complete or not
    at all.

    Args:
        rows (Sequence[SheetRow]): The pictures; sizes may differ.
        path (str | Path, optional): PNG to write; its folder is made.
        max_depth (float, optional): End of the depth scale in [m]. Defaults
            to the 99.5th percentile of all ground truth, rounded up.
        title (str, optional): Line above the sheet.

    Returns:
        ndarray: The sheet as RGB (H', W', 3), uint8.

    Raises:
        ValueError: If there is no row, a row's sizes differ or
            ``max_depth`` is not positive.
    """
    if not rows:
        raise ValueError('a comparison sheet needs at least one row')
    for row in rows:
        _check_row(row)
    depths = depth_ticks([_depths(row) for row in rows], max_depth)
    errors = error_ticks([_errors(row) for row in rows])

    heights = [
        round(_PANEL * row.gt.shape[0] / row.gt.shape[1]) for row in rows
    ]
    top = (_TITLE if title else _MARGIN) + _HEADER
    height = top + sum(heights) + _CAPTION * len(rows) + _FOOTER
    canvas = Canvas(_WIDTH, height)
    if title:
        canvas.text(_WIDTH / 2, 10, title, 17, ha='center', weight='bold')
    _draw_header(canvas, top - _HEADER, depths, errors)
    for row, panel_height in zip(rows, heights, strict=True):
        _draw_row(canvas, row, top, panel_height, depths, errors)
        top += _CAPTION + panel_height
    _draw_footer(canvas, top + 12)
    sheet = canvas.render()
    if path is not None:
        _write_png(Path(path), sheet)
    return sheet


def _column(index: int) -> int:
    """Left edge of a column in pixels."""
    return _MARGIN + index * (_PANEL + _GAP)


def _draw_header(
    canvas: Canvas, y: float, depths: np.ndarray, errors: np.ndarray
) -> None:
    """Write the columns' names and the two colour scales."""
    for index, name in enumerate(_COLUMNS):
        x = _column(index) + _PANEL / 2
        canvas.text(x, y, name, 14, ha='center', weight='bold')
    for first, columns, ticks, cmap, extend in (
        (1, 2, depths, DEPTH_CMAP, 'both'),
        (3, 1, errors, ERROR_CMAP, 'max'),
    ):
        width = columns * _PANEL + (columns - 1) * _GAP
        axes = canvas.axes(_column(first) + 12, y + 34, width - 24, 16)
        bar = canvas.figure.colorbar(
            ScalarMappable(
                Normalize(ticks[0], ticks[-1]), matplotlib.colormaps[cmap]
            ),
            cax=axes,
            orientation='horizontal',
            extend=extend,
            extendfrac=0.02,
            ticks=FixedLocator(list(ticks)),
        )
        bar.ax.set_xticklabels([f'{tick:g} m' for tick in ticks])
        bar.ax.tick_params(labelsize=11, labelcolor=INK)


def _draw_footer(canvas: Canvas, y: float) -> None:
    """Explain grey, the scales and the scores."""
    swatch = np.full((1, 1, 3), INVALID_COLOUR, np.uint8)
    canvas.picture(swatch, _MARGIN, y, 16, 16)
    canvas.text(
        _MARGIN + 24,
        y,
        'no ground truth or no finite prediction.  One depth scale for all '
        'rows, ground truth and prediction; pointed ends: beyond the scale.  '
        'Abs Rel and RMSE: every pixel with ground truth, no crop, no '
        'alignment.',
        11,
    )


def _draw_row(
    canvas: Canvas,
    row: SheetRow,
    y: float,
    height: float,
    depths: np.ndarray,
    errors: np.ndarray,
) -> None:
    """Draw the four panels of a row under its caption."""
    valid = _valid(row)
    finite = np.isfinite(row.pred)
    caption = row.caption
    if len(caption) > _LONGEST_CAPTION:
        caption = '...' + caption[3 - _LONGEST_CAPTION :]
    canvas.text(_MARGIN, y + 14, caption, 12)
    right = _WIDTH - _MARGIN
    canvas.text(right, y + 14, _scores(row), 12, ha='right', weight='bold')
    near, far = depths[0], depths[-1]
    panels = (
        row.image,
        colourise_depth(row.gt, near, far, valid=valid),
        colourise_depth(row.pred, near, far, valid=finite),
        colourise_depth(
            np.abs(row.pred - row.gt),
            0.0,
            errors[-1],
            ERROR_CMAP,
            valid=valid & finite,
        ),
    )
    for index, rgb in enumerate(panels):
        canvas.picture(rgb, _column(index), y + _CAPTION, _PANEL, height)


def _valid(row: SheetRow) -> np.ndarray:
    """Where a row has ground truth, (H, W) boolean."""
    return np.isfinite(row.gt) & (row.gt > 0)


def _depths(row: SheetRow) -> np.ndarray:
    """Depths (K,) in [m] that the scale is made for."""
    valid = _valid(row)
    if valid.any():
        return row.gt[valid]
    # A picture without ground truth is shown on its prediction's range.
    return row.pred[np.isfinite(row.pred) & (row.pred > 0)]


def _errors(row: SheetRow) -> np.ndarray:
    """Absolute errors (K,) in [m] where they can be told."""
    return np.abs(row.pred - row.gt)[_valid(row) & np.isfinite(row.pred)]


def _scores(row: SheetRow) -> str:
    """Abs Rel and RMSE of one row in words."""
    valid = _valid(row)
    if not valid.any():
        return 'no ground truth'
    lost = int((valid & ~np.isfinite(row.pred)).sum())
    if lost:
        return f'prediction not finite in {lost} pixels'
    error = _errors(row).astype(np.float64)
    abs_rel = (error / row.gt[valid]).mean()
    rmse = np.sqrt(np.square(error).mean())
    return f'Abs Rel {abs_rel:.3f}    RMSE {rmse:.3f} m'


def _check_row(row: SheetRow) -> None:
    """Raise ValueError unless the arrays of a row fit together."""
    if (
        row.image.dtype != np.uint8
        or row.image.shape != (*row.gt.shape, 3)
        or row.gt.ndim != 2
        or row.pred.shape != row.gt.shape
    ):
        raise ValueError(
            f'{row.caption}: need image (H, W, 3) uint8, gt and pred (H, W), '
            f'got {row.image.dtype} {row.image.shape}, {row.gt.shape}, '
            f'{row.pred.shape}'
        )


def _write_png(path: Path, rgb: np.ndarray) -> None:
    """Write a PNG that is either complete or absent."""
    stream = io.BytesIO()
    imsave(stream, rgb, format='png')
    write_bytes(path, stream.getvalue())
