"""A whole table on rendered rooms, and what is then left to do."""

import json
import os
import shutil
import signal
import subprocess
import sys

import cv2
import numpy as np
import pytest

from llm_mde_mm.utils.errors import ConfigError, DataError
from tests.tools.conftest import ROOT, run
from tools import run_table

ROWS = {
    'a_none': "model = dict(backbone=dict(prompt=dict(mode='none')))",
    'b_language': '',
    'c_broken': 'train_dataloader = dict(dataset=dict(num_rooms=0))',
}


@pytest.fixture(scope='module')
def place(tiny_config, tmp_path_factory):
    """A table of two rows that work and one that does not, run once."""
    place = tmp_path_factory.mktemp('place')
    (place / 'mini').mkdir()
    (place / 'base.py').write_text(
        f"_base_ = '{tiny_config}'\ntrain_cfg = dict(max_epochs=1)\n"
    )
    for name, body in ROWS.items():
        text = f'"""Row {name}."""\n\n_base_ = \'{place}/base.py\'\n{body}\n'
        (place / 'mini' / f'{name}.py').write_text(text)
    done = run('tools/run_table.py', *arguments(place), '--jobs', 2)
    (place / 'console').write_text(done.stdout + done.stderr)
    assert done.returncode == 1, done.stderr[-3000:]
    return place


def arguments(place):
    return (
        *(place / 'mini', '--seeds', 0),
        *('--results', place / 'results', '--work-dir', place / 'work'),
    )


@pytest.fixture
def call(monkeypatch, capsys):
    """Run the tool in this process; return what it printed."""

    def run_main(*arguments):
        monkeypatch.setattr(sys, 'argv', ['tool', *map(str, arguments)])
        run_table.main()
        return capsys.readouterr().out

    return run_main


def test_a_failing_row_does_not_stop_the_others(place):
    console = (place / 'console').read_text()
    assert 'mini/c_broken_seed0: FAILED: num_rooms=0' in console
    assert '1 runs failed: c_broken_seed0' in console
    assert 'Traceback' not in console
    assert '[3/3] mini/' in console and 'min left' in console
    assert {p.name for p in (place / 'results/mini').glob('*.json')} == {
        'a_none_seed0.json',
        'b_language_seed0.json',
    }


def test_a_result_has_scores_and_costs(place):
    path = place / 'results/mini/b_language_seed0.json'
    result = json.loads(path.read_text())
    folder = place / 'work/mini/b_language_seed0'
    for split, pictures in (('val', 4), ('test', 5)):
        scores = json.loads((folder / f'{split}.json').read_text())
        assert scores['pictures'] == pictures
        for end in ('', '_median', '_affine'):
            name = f'abs_rel{end}'
            assert result['scores'][split][name] == scores[name] > 0
    assert result['splits']['train']['pictures'] == 8
    assert result['epochs'] == result['best_epoch'] == 1
    assert 0 < result['trained_parameters'] < result['parameters']
    best = folder / 'best_loss_epoch_1.pth'
    assert result['checkpoint_bytes'] == best.stat().st_size
    # Float32 weights, and little else.
    assert best.stat().st_size > 4 * result['parameters']
    assert 0 < result['train_seconds'] < 300
    assert path.stat().st_size < 20_000
    assert str(place) not in path.read_text()


def test_page_and_sheet(place):
    page = (place / 'results/mini/table.md').read_text()
    assert '| a_none | Row a_none |' in page
    sheet = cv2.imread(str(place / 'work/mini/sheet.png'))
    # Picture, truth and two rows; the five rooms' first four.
    assert sheet.shape[1] == 4 * 248 - 8 + 32
    assert sheet.std() > 20
    bars = cv2.imread(str(place / 'results/mini/bars_abs_rel.png'))
    assert bars.std() > 10


def test_what_is_finished_is_skipped(place, call):
    shutil.copy(place / 'mini/b_language.py', place / 'mini/d_twin.py')
    try:
        rows = ('--rows', 'a_none', 'b_language', 'd_twin')
        said = call(*arguments(place), *rows)
    finally:
        (place / 'mini/d_twin.py').unlink()
    assert said.count('finished before') == 2
    assert 'd_twin_seed0: equal to mini/b_language_seed0' in said
    twin = place / 'results/mini/d_twin_seed0.json'
    result = json.loads(twin.read_text())
    own = json.loads(
        (place / 'results/mini/b_language_seed0.json').read_text()
    )
    assert result['same_as'] == 'mini/b_language_seed0'
    assert result['scores'] == own['scores']
    assert (
        result['row'] == 'd_twin'
        and not (place / 'work/mini/d_twin_seed0').exists()
    )
    sheet = cv2.imread(str(place / 'work/mini/sheet.png'))
    left, right = sheet[130:300, 512:752], sheet[130:300, 1008:1248]
    assert sheet.shape[1] == 5 * 248 - 8 + 32
    assert not np.array_equal(left, right)
    # The twin's column is the one beside it.
    assert np.array_equal(sheet[130:300, 760:1000], right)
    twin.unlink()


def test_pages_alone(place, call):
    only = (*arguments(place), '--collect-only', '--rows', 'a_none')
    said = call(*only)
    files = [
        place / 'results/mini' / name for name in ('table.md', 'table.csv')
    ]
    texts = [path.read_text() for path in files]
    for path in files:
        assert str(path) in said
        path.unlink()
    call(*only)
    assert [path.read_text() for path in files] == texts
    # The page is of all results, whatever rows are named.
    assert '| b_language |' in texts[0]
    result = place / 'results/mini/a_none_seed0.json'
    score = json.loads(result.read_text())['scores']['test']['d1']
    assert f'a_none,8,test,d1,1,{score:.6g},,{score:.6g}' in texts[1]


def test_a_wrong_picture_is_named_before_anything_runs(place, call):
    with pytest.raises(DataError, match='called gone'):
        call(
            *(*arguments(place), '--rows', 'a_none', '--pictures', 'gone'),
            *('--results', place / 'other'),
        )
    assert not (place / 'other').exists()


def test_weights_that_are_gone_are_not_trained_anew(place, call, capsys):
    shutil.copytree(place / 'results', place / 'kept')
    with pytest.raises(SystemExit, match='1 runs failed: a_none_seed0'):
        call(
            *(place / 'mini', '--seeds', 0, 0, '--rows', 'a_none'),
            *('--results', place / 'kept', '--work-dir', place / 'none'),
            '--ablate',
        )
    # A seed that is named twice is one.
    assert '[1/1] mini/a_none_seed0: FAILED' in capsys.readouterr().out
    assert not (place / 'none').exists()


def test_nothing_to_collect(place, call):
    with pytest.raises(ConfigError, match='no result in'):
        call(*arguments(place), '--collect-only', '--results', place / 'no')


def test_a_changed_config_does_not_take_the_old_result(place, call):
    with pytest.raises(ConfigError, match='a_none_seed0.json was measured'):
        call(
            *(*arguments(place), '--rows', 'a_none'),
            *('--cfg-options', 'optim_wrapper.optimizer.lr=0.1'),
        )


def test_a_tool_that_starts_after_the_stop_hears_it():
    code = (
        'import signal, subprocess, sys\n'
        'from tools.run_table import raise_interrupt\n'
        'try:\n    raise_interrupt()\nexcept KeyboardInterrupt:\n    pass\n'
        'import os\n'
        # A second signal changes nothing here.
        'os.kill(os.getpid(), signal.SIGTERM)\n'
        "child = subprocess.Popen(['sleep', '60'])\n"
        'child.terminate()\n'
        'print(child.wait(20))\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', code],
        cwd=ROOT,
        env=dict(os.environ, PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
    )
    assert done.stdout == f'{-signal.SIGTERM:d}\n', done.stderr


def test_tables_are_found_by_name():
    assert run_table.table_folder('table3') == ROOT / 'configs/tables/table3'
    with pytest.raises(SystemExit):
        run_table.parse_args()
