"""Bars, curves and sheets say what they are given."""

import numpy as np
import pytest

from llm_mde_mm.visualization.colour import INVALID_COLOUR, colourise_depth
from llm_mde_mm.visualization.scales import depth_ticks
from llm_mde_mm.visualization.table_plots import (
    bar_plot,
    curve_plot,
    step_plot,
)
from llm_mde_mm.visualization.variant_sheet import VariantRow, variant_sheet

BAR = (0xB9, 0xCD, 0xE0)


def coloured(rgb, colour):
    return (rgb == np.array(colour, np.uint8)).all(-1)


def test_a_bar_is_as_long_as_its_mean():
    panels = dict(val=[[0.2], [0.1, 0.3], [], [0.4]])
    plot = bar_plot(['a', 'b', 'c', 'd'], panels, 'Abs Rel', 'title')
    bars = coloured(plot, BAR)
    # Rows of a bar, apart from what is drawn over its middle.
    lengths = bars.sum(1)
    rows = [lengths[56 + 18 + 34 * i + 8] for i in range(4)]
    assert rows[2] == 0
    assert rows[0] == pytest.approx(rows[1], abs=2)
    assert rows[3] == pytest.approx(2 * rows[0], abs=3)


def test_bars_that_cannot_be():
    with pytest.raises(ValueError, match='at least one row'):
        bar_plot([], dict(val=[]), '', '')
    with pytest.raises(ValueError, match='values of each row'):
        bar_plot(['a'], dict(val=[[1], [2]]), '', '')


def test_a_curve_falls_with_its_values():
    lines = dict(val=[(16, [0.1, 0.12]), (1, [0.4]), (4, [0.2])])
    plot = curve_plot(lines, 'Abs Rel', 'title')
    line = coloured(plot, (0x2F, 0x6F, 0xAB))
    columns = np.flatnonzero(line[60:480, 100:700].any(0))
    heights = [line[60:480, 100 + c].argmax() for c in columns]
    assert heights[0] < heights[len(heights) // 2] < heights[-1]
    with pytest.raises(ValueError, match='at least one line'):
        curve_plot({}, '', '')


def test_steps_go_downwards_to_an_aim():
    panels = dict(val=dict(a=[[0.4], [0.2, 0.3], [0.1]]))
    plot = step_plot(['x', 'y', 'z'], panels, '', '', {('val', 'a'): 0.1})
    top, left = 56 + 18, 330
    inside = plot[top : top + 90, left : left + 220]
    line = coloured(inside, (0x2F, 0x6F, 0xAB))
    # Where each of the three steps is drawn, a point on a line.
    first, second, third = (
        np.flatnonzero(line[15 + 30 * step]).mean() for step in range(3)
    )
    assert (first - second) / (second - third) == pytest.approx(1, abs=0.1)
    aim = np.flatnonzero(coloured(inside, (0xC8, 0x55, 0x3D)).any(0))
    assert aim.mean() == pytest.approx(third, abs=2)


@pytest.mark.parametrize('plot', ['bars', 'steps'])
def test_names_of_rows_are_not_cut_off(plot):
    """However long they are, there is paper to the left of them."""
    for name in ('x', 'no language model, 130 epochs of 28 pictures, ' * 2):
        if plot == 'bars':
            drawn = bar_plot([name], dict(val=[[1.0]]), '', '')
        else:
            drawn = step_plot([name], dict(val=dict(a=[[1.0]])), '', '')
        assert (drawn[:, :8] == 255).all()


def test_steps_that_cannot_be():
    with pytest.raises(ValueError, match='at least one step'):
        step_plot([], dict(val=dict(a=[])), '', '')
    for values in ([[1]], [[1], []]):
        with pytest.raises(ValueError, match='values of each step'):
            step_plot(['x', 'y'], dict(val=dict(a=values)), '', '')


@pytest.fixture
def row():
    gt = np.tile(np.linspace(1, 3, 24, dtype=np.float32), (18, 1))
    gt[:4] = 0
    image = np.full((18, 24, 3), (10, 200, 30), np.uint8)
    preds = dict(perfect=np.maximum(gt, 1), far=np.full_like(gt, 3))
    return VariantRow(image, gt, preds, 'room')


def test_a_sheet_has_picture_truth_and_variants(row):
    sheet = variant_sheet([row, row], 'title')
    ticks = depth_ticks([row.gt[row.gt > 0]])
    top, height = 88 + 30, 180
    assert sheet.shape[1] == 4 * 248 - 8 + 32

    def panel(column, line=0):
        x, y = 16 + column * 248, top + line * (height + 26)
        return sheet[y : y + height, x : x + 240]

    assert (panel(0) == (10, 200, 30)).all()
    assert (panel(1)[2] == INVALID_COLOUR).all()
    far = colourise_depth(np.full((1, 1), 3.0), ticks[0], ticks[-1])[0, 0]
    assert (panel(3) == far).all()
    # Below the holes, truth and a perfect prediction are one picture.
    assert (panel(1)[60:] == panel(2)[60:]).all()
    assert (panel(2, 1) == panel(2)).all()


def test_sheets_that_cannot_be(row):
    with pytest.raises(ValueError, match='at least one picture'):
        variant_sheet([], '')
    small = row._replace(preds=dict(row.preds, far=np.ones((2, 2))))
    with pytest.raises(ValueError, match='room: .*size \\(18, 24\\)'):
        variant_sheet([row, small], '')
    other = row._replace(preds=dict(perfect=row.gt))
    with pytest.raises(ValueError, match='room'):
        variant_sheet([row, other], '')
