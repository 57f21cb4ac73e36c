"""A curve of results as a command."""

import json

import cv2
import pytest

TOOL = 'tools/plot_steps.py'
SCORES = ('abs_rel', 'abs_rel_median', 'abs_rel_affine')


@pytest.fixture
def result(tmp_path):
    """Write the result of a run and name its file."""

    def write(name, value, splits=('val', 'test')):
        path = tmp_path / f'{name}.json'
        scores = {split: dict.fromkeys(SCORES, value) for split in splits}
        about = dict(row='r', title='', seed=0, digest='', splits={})
        path.write_text(json.dumps(dict(about, scores=scores)))
        return path

    return write


def test_the_command(result, tmp_path, run_here):
    steps = [['--step', f'step {k}', result(k, 0.3 - 0.1 * k)] for k in (0, 1)]
    steps[1].append(result('again', 0.15))
    out = tmp_path / 'new' / 'steps.png'
    aim = ['--aim', 'test', 'abs_rel_median', '0.1']
    assert run_here(TOOL, *sum(steps, []), *aim, '--out', out) == f'{out}\n'
    # Two rows of three panels.
    height, width = cv2.imread(str(out)).shape[:2]
    assert width > height > 300


@pytest.mark.parametrize(
    ('arguments', 'says'),
    [
        (['--step', 'a'], "--step 'a' has no result"),
        (['--aim', 'train', 'abs_rel', '1'], '--aim train abs_rel: of val'),
        (['--aim', 'val', 'rmse', '1'], '--aim val rmse: of val, test and'),
        (['--aim', 'val', 'abs_rel', 'low'], "'low' is no number"),
    ],
)
def test_arguments_that_cannot_be(
    result, tmp_path, run_here, capsys, arguments, says
):
    out = tmp_path / 'steps.png'
    with pytest.raises(SystemExit):
        run_here(TOOL, '--step', 'b', result('b', 1), *arguments, '--out', out)
    assert says in capsys.readouterr().err
    assert not out.exists()


def test_a_result_without_a_split(result, tmp_path, run_here):
    path = result('half', 0.1, splits=('val',))
    with pytest.raises(SystemExit, match=f'{path} has no abs_rel of test'):
        run_here(TOOL, '--step', 'a', path, '--out', tmp_path / 'steps.png')
