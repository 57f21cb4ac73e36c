import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from llm_mde_mm.visualization import SheetRow, comparison_sheet
from llm_mde_mm.visualization.colour import INVALID_COLOUR
from llm_mde_mm.visualization.scales import depth_ticks, error_ticks

# The package exports a function of the module's name.
module = sys.modules[comparison_sheet.__module__]


def _row(gt, pred=None, caption='kitchen_1.jpg', size=(30, 40)):
    gt = np.full(size, gt, np.float32) if np.isscalar(gt) else gt
    pred = gt if pred is None else np.full(gt.shape, pred, np.float32)
    image = np.full((*gt.shape, 3), (10, 200, 30), np.uint8)
    return SheetRow(image, gt, pred, caption)


def _panel(sheet, row, column, height=300):
    """Middle of one panel of rows that are all 3:4."""
    bottom = sheet.shape[0] - module._FOOTER
    from_end = bottom - (row + 0.5) * height - row * module._CAPTION
    x = module._MARGIN + column * (module._PANEL + module._GAP)
    return sheet[int(from_end), x + module._PANEL // 2]


def test_writes_what_it_returns(tmp_path):
    path = tmp_path / 'deep' / 'sheet.png'
    sheet = comparison_sheet([_row(1.0, 1.5), _row(2.0, 3.0)], path)
    want = (
        module._MARGIN
        + module._HEADER
        + 2 * (300 + module._CAPTION)
        + module._FOOTER
    )
    assert sheet.shape == (want, module._WIDTH, 3) and sheet.dtype == np.uint8
    np.testing.assert_array_equal(cv2.imread(str(path))[..., ::-1], sheet)
    assert [p.name for p in path.parent.iterdir()] == ['sheet.png']


def test_one_depth_has_one_colour_in_both_columns_and_all_rows():
    # Rows from the bottom: 0 is the last.
    sheet = comparison_sheet([_row(2.0, 3.0), _row(3.0, 2.0), _row(1.0)])
    two = _panel(sheet, 2, 1)
    three = _panel(sheet, 2, 2)
    np.testing.assert_array_equal(_panel(sheet, 1, 2), two)
    np.testing.assert_array_equal(_panel(sheet, 1, 1), three)
    assert (two != three).any()
    np.testing.assert_array_equal(_panel(sheet, 1, 0), (10, 200, 30))


def test_equal_errors_share_a_colour_and_no_error_is_black():
    sheet = comparison_sheet([_row(2.0, 2.5), _row(4.0, 3.5), _row(1.0)])
    np.testing.assert_array_equal(_panel(sheet, 2, 3), _panel(sheet, 1, 3))
    assert _panel(sheet, 0, 3).max() < 10 < _panel(sheet, 1, 3).max()


def test_the_unmeasured_is_grey_but_its_prediction_is_shown():
    sheet = comparison_sheet([_row(0.0, 2.0), _row(2.0, 2.0)])
    for column in (1, 3):
        np.testing.assert_array_equal(_panel(sheet, 1, column), INVALID_COLOUR)
    np.testing.assert_array_equal(_panel(sheet, 1, 2), _panel(sheet, 0, 1))


def test_a_prediction_that_is_not_finite_is_grey():
    sheet = comparison_sheet([_row(2.0, np.nan)])
    np.testing.assert_array_equal(_panel(sheet, 0, 2), INVALID_COLOUR)


def test_scores_in_the_caption_by_hand():
    gt = np.array([[1.0, 4.0, 0.0]], np.float32)
    row = SheetRow(
        np.zeros((1, 3, 3), np.uint8),
        gt,
        np.array([[2.0, 3.0, 9.0]], np.float32),
        'a',
    )
    assert module._scores(row) == 'Abs Rel 0.625    RMSE 1.000 m'
    assert module._scores(row._replace(gt=0 * gt)) == 'no ground truth'
    lost = row._replace(pred=gt * np.nan)
    assert module._scores(lost) == 'prediction not finite in 2 pixels'


def test_captions_are_drawn_and_dollars_are_no_formula():
    plain = comparison_sheet([_row(1.0, caption='')])
    sheet = comparison_sheet([_row(1.0, caption=r'$\frac$ ' * 30)])
    changed = np.argwhere((plain != sheet).any(-1))
    left, right = changed[:, 1].min(), changed[:, 1].max()
    # Shortened: it ends before the scores, which are in the last column.
    assert left < 30 and right < module._WIDTH - module._PANEL
    titled = comparison_sheet([_row(1.0)], title='a $ sign')
    assert titled.shape[0] > plain.shape[0]


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / 'sheet.png'
    path.write_bytes(b'old')

    def fail(file, *args, **kwargs):
        file.write(b'half')
        raise OSError('disk full')

    monkeypatch.setattr(module, 'imsave', fail)
    with pytest.raises(OSError, match='disk full'):
        comparison_sheet([_row(1.0)], path)
    assert path.read_bytes() == b'old'
    assert list(tmp_path.iterdir()) == [path]


def test_pyplot_is_not_touched():
    source = Path(module.__file__).parent
    for file in source.glob('*.py'):
        assert 'import pyplot' not in file.read_text()
        assert 'matplotlib.pyplot' not in file.read_text()


def test_scales_enclose_the_depths_with_round_ends():
    ticks = depth_ticks([np.array([0.83, 2.1]), np.array([2.93])])
    assert ticks[0] <= 0.83 and 2.93 <= ticks[-1] <= 3.5
    assert (np.diff(ticks) > 0).all()
    assert depth_ticks([np.array([0.8, 2.0])], 10.0)[-1] == 10.0
    # Depths beyond max_depth do not turn the scale round.
    ticks = depth_ticks([np.array([30.0])], 4.0)
    assert ticks[-1] == 4.0 and (np.diff(ticks) > 0).all()
    assert len(depth_ticks([np.array([])])) > 1
    assert error_ticks([np.array([0.0])])[0] == 0
    # One wild pixel in a thousand does not set the error's scale.
    errors = np.full(1000, 0.2)
    errors[0] = 50
    assert error_ticks([errors])[-1] < 0.5


def test_wrong_rows_are_named():
    row = _row(1.0, caption='b.jpg')
    with pytest.raises(ValueError, match='at least one row'):
        comparison_sheet([])
    with pytest.raises(ValueError, match=r'b\.jpg'):
        comparison_sheet([row._replace(pred=row.pred[1:])])
    with pytest.raises(ValueError, match=r'b\.jpg'):
        comparison_sheet([row._replace(image=row.image / 255)])
    with pytest.raises(ValueError, match='max_depth'):
        comparison_sheet([row], max_depth=0.0)
