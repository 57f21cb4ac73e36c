"""Mean and spread over seeds, against NumPy."""

import copy
import csv
import json

import cv2
import numpy as np
import pytest
from mmengine.config import Config

from llm_mde_mm.apis.table_files import (
    common_pictures,
    sheet_places,
    write_pages,
    write_sheet,
)
from llm_mde_mm.apis.table_markdown import markdown
from llm_mde_mm.apis.table_pages import (
    ablation_bars,
    csv_text,
    curve_lines,
    group_rows,
    series_of,
    spread,
)
from llm_mde_mm.evaluation.report import write_report
from llm_mde_mm.utils.depth_io import write_picture
from llm_mde_mm.utils.errors import DataError

VALUES = dict(none=(0.30, 0.32, 0.37), fixed=(0.21, 0.22))


def result(row, seed, value, pictures=28, **changes):
    scores = dict(
        abs_rel=value,
        abs_rel_median=value / 2,
        abs_rel_affine=value / 4,
        rmse=2 * value,
        d1=1 - value,
        abs_rel_ci95=[value - 0.05, value + 0.1],
        constant_abs_rel=0.5,
        protocol='nyu: in words',
    )
    cost = dict(
        train_seconds=90.0,
        peak_bytes=3e9,
        gpu_bytes=0,
        parameters=2_000_000,
        trained_parameters=500_000,
        checkpoint_bytes=6_000_000,
        epochs=10 + seed,
        best_epoch=None,
    )
    return dict(
        row=row,
        seed=seed,
        title=f'Row {row}',
        digest='0',
        scores=dict(val=scores, test=dict(scores, abs_rel=2 * value)),
        splits=dict(train=dict(pictures=pictures)),
        flags=['--amp'],
        weights=dict(vision='clip'),
        **{**cost, **changes},
    )


@pytest.fixture
def results():
    return [
        result(row, seed, value)
        for row, values in VALUES.items()
        for seed, value in enumerate(values)
    ]


def lines_of(page, heading):
    part = page.split(f'## {heading}\n\n')[1].split('\n\n')[0]
    return [
        [cell.strip() for cell in line.strip('|').split('|')]
        for line in part.splitlines()
    ]


def test_the_page_has_mean_spread_and_change(results):
    page = markdown('table3', group_rows(results))
    head, _, none, fixed, constant = lines_of(page, '`test`')
    double = {row: 2 * np.array(values) for row, values in VALUES.items()}
    for cells, (row, values) in zip(
        (none, fixed), double.items(), strict=True
    ):
        mean, std = values.mean(), values.std(ddof=1)
        assert cells[:3] == [row, str(len(values)), f'{mean:.3f} ± {std:.3f}']
    change = 100 * (double['fixed'].mean() / double['none'].mean() - 1)
    assert none[-1] == '-' and fixed[-1] == f'{change:+.1f} %'
    assert constant[:3] == ['best constant', '', '0.500']
    assert {len(cells) for cells in (head, none, fixed, constant)} == {9}
    assert head[2:4] == ['Abs Rel', '95 % interval']
    assert 'nyu: in words' in page
    command = 'table3 --rows none fixed --seeds 0 1 2 --vit clip --amp'
    assert f'python tools/run_table.py {command}\n' in page
    cost = lines_of(page, 'Cost')[3]
    assert cost == [
        *('fixed', '28', '2.0 M', '0.5 M', '1.5 min', '3.0 GB', '6.0 MB'),
        *('10 ± 1', '-'),
    ]
    assert 'Parts taken away' not in page and 'other options' not in page


def test_the_command_serves_all_rows(results):
    # A row without a language model refuses a setting of one.
    for run in results[:3]:
        run['flags'] = ['--amp', '--cfg-options', 'model.a=eager']
    page = markdown('table3', group_rows(results))
    assert '--vit clip --amp\n```' in page
    other = 'none `--amp --cfg-options model.a=eager`'
    assert f'\n\nRun with other options: {other}.\n\n' in page


def test_other_pictures_are_told(results, tmp_path):
    for run in results:
        run['splits'].update(val=dict(digest='a'), test=dict(digest='b'))
    rows = group_rows(results)
    remark = 'not scored on the same pictures'
    assert remark not in markdown('table3', rows)
    scores = dict(rmse=1.0, d1=0.5, constant_abs_rel=0.5)
    for alignment in ('', '_median', '_affine'):
        scores[f'abs_rel{alignment}'] = 0.125
    probe = dict(val=scores, test=scores)
    for run in results:
        (tmp_path / f'{run["row"]}_seed{run["seed"]}.json').write_text(
            json.dumps(run)
        )
    for digests, lines in ((('a', 'b'), 2), (('a', 'c'), 1), (None, 2)):
        splits = zip(('val', 'test'), digests or (), strict=False)
        known = {name: dict(digest=digest) for name, digest in splits}
        text = json.dumps(dict(probe, splits=known) if digests else probe)
        (tmp_path / 'ridge_probe.json').write_text(text)
        write_pages('table3', tmp_path)
        page = (tmp_path / 'table.md').read_text()
        assert page.count('ridge probe') == lines
    results[0]['splits']['test'] = dict(digest='c')
    page = markdown('table3', rows)
    assert page.count(remark) == 1
    assert page.index('## `test`') < page.index(remark)


def test_the_interval_stands_beside_its_score(results):
    del results[-1]['scores']['val']['abs_rel_ci95']
    page = markdown('table3', group_rows(results))
    none, fixed = lines_of(page, '`val`')[2:4]
    mean = np.mean(VALUES['none'])
    assert none[3] == f'{mean - 0.05:.3f} to {mean + 0.1:.3f}'
    assert fixed[3] == '0.160 to 0.310'
    for scores in (part for r in results for part in r['scores'].values()):
        scores.pop('abs_rel_ci95', None)
    page = markdown('table3', group_rows(results))
    assert lines_of(page, '`val`')[2][3] == '-'


def test_the_page_has_ablations(results):
    taken = dict(untouched=dict(abs_rel=0.2), zero_prompt=dict(abs_rel=0.25))
    results[0]['ablations'] = dict(val=taken)
    results[1]['weights'] = dict(vision='dino')
    page = markdown('table3', group_rows(results))
    # Weights that differ are each row's own.
    assert 'none fixed --seeds 0 1 2 --ablate --amp\n' in page
    assert lines_of(page, 'Parts taken away, `val`') == [
        ['row', 'score', 'untouched', 'zero_prompt'],
        ['---'] * 4,
        ['none', 'Abs Rel', '0.200', '0.250'],
    ]


def test_gpu_memory_comes_first(results):
    runs = [result('a', 0, 0.1, gpu_bytes=5e9), result('a', 1, 0.1)]
    page = markdown('t', group_rows(runs))
    # The mean of those that had one.
    assert '5.0 GB of the GPU' in page and '3.0 GB' not in page


def test_the_ridge_probe_stands_below_the_rows(results):
    scores = results[0]['scores']['val']
    page = markdown('t', group_rows(results), dict(val=scores))
    probe = lines_of(page, '`val`')[4]
    assert probe[:2] == ['ridge probe', '']
    assert probe[2:5] == ['0.300', '0.250 to 0.400', '0.150']
    assert 'ridge' not in page.split('## `test`')[1]


def test_csv_has_every_value(results):
    rows = list(csv.DictReader(csv_text(group_rows(results)).splitlines()))
    found = [
        r
        for r in rows
        if (r['row'], r['split'], r['score']) == ('none', 'test', 'abs_rel')
    ]
    assert len(found) == 1
    values = 2 * np.array(VALUES['none'])
    assert float(found[0]['mean']) == pytest.approx(values.mean(), rel=1e-5)
    assert float(found[0]['std']) == pytest.approx(
        values.std(ddof=1), rel=1e-5
    )
    assert [float(v) for v in found[0]['values'].split()] == values.tolist()
    epochs = [r for r in rows if r['score'] == 'epochs']
    assert [r['values'] for r in epochs] == ['10 11 12', '10 11']
    assert not [r for r in rows if r['score'] == 'best_epoch']


def test_ablations_are_bars_and_lines(results):
    rows = group_rows(results)
    assert ablation_bars(rows, ('val',), 'abs_rel') is None
    for place, value in ((0, 0.2), (1, 0.3)):
        results[place]['ablations'] = dict(
            val=dict(untouched=dict(abs_rel=value), zero=dict(abs_rel=0.4))
        )
    labels, panels = ablation_bars(rows, ('val', 'test'), 'abs_rel')
    assert labels == ['none: untouched', 'none: zero']
    assert panels == dict(val=[[0.2, 0.3], [0.4, 0.4]], test=[[], []])
    lines = csv_text(rows).splitlines()
    assert 'none,28,val,zero.abs_rel,2,0.4,0,0.4 0.4' in lines
    assert 'none,28,val,constant_abs_rel,3,0.5,0,0.5 0.5 0.5' in lines


def test_one_seed_has_no_spread():
    assert spread([0.4]) is None and spread([]) is None
    assert spread([1.0, 3.0]) == pytest.approx(np.std([1, 3], ddof=1))


def test_rows_with_numbers_are_a_curve():
    results = [
        result(f'pictures_{n}', seed, 1 / n + seed, pictures=n)
        for n in (1, 4, 16)
        for seed in (0, 1)
    ]
    results += [result('shot_1', 0, 1, 27), result('shot_2', 0, 1, 54)]
    rows = group_rows(results)
    series = series_of(rows)
    # Two points are no curve.
    assert list(series) == ['pictures']
    lines = curve_lines(series['pictures'], ('val', 'test'), 'abs_rel')
    assert lines['val'] == [(n, [1 / n, 1 / n + 1]) for n in (1.0, 4.0, 16.0)]
    assert lines['test'][1] == (4.0, [0.5, 2.5])


def test_pages_are_files(tmp_path, results):
    assert write_pages('t', tmp_path) == []
    results += [result(f'shot_{n}', 0, 1 / n, n) for n in (1, 2, 3)]
    results[0]['ablations'] = dict(val=dict(untouched=dict(abs_rel=0.2)))
    write_report(tmp_path / 'ridge_probe.json', results[0]['scores'])
    for r in results:
        write_report(tmp_path / f'{r["row"]}_seed{r["seed"]}.json', r)
    files = write_pages('t', tmp_path)
    assert {path.name for path in files} == {
        'table.md',
        'table.csv',
        'bars_abs_rel.png',
        'bars_abs_rel_median.png',
        'shot_abs_rel.png',
        'shot_abs_rel_median.png',
        'ablations_abs_rel.png',
        'ablations_abs_rel_median.png',
    }
    page = (tmp_path / 'table.md').read_text()
    assert '![shot_abs_rel](shot_abs_rel.png)' in page
    before = {path: path.read_bytes() for path in files}
    write_pages('t', tmp_path)
    assert before == {path: path.read_bytes() for path in files}
    assert '| ridge probe |' in page
    (tmp_path / 'ridge_probe.json').write_text('{')
    with pytest.raises(DataError, match='ridge_probe.json is damaged'):
        write_pages('t', tmp_path)


def test_a_sheet_has_what_all_rows_are_tested_on(tmp_path):
    variants = {}
    for row, first in (('a', 0), ('b', 2), ('c', 3)):
        rooms = dict(
            type='SyntheticRooms',
            size=(48, 64),
            scene_types=['kitchen'],
            num_rooms=4,
            first_index=first,
            test_mode=True,
            pipeline=[dict(type='PackSegInputs')],
        )
        folder = tmp_path / row
        for i in range(first, first + 4):
            depth = np.full((48, 64), 1000 + 500 * i, np.uint16)
            write_picture(folder / f'kitchen_{i:05}.png', depth)
        cfg = Config(dict(test_dataloader=dict(dataset=rooms)))
        variants[row] = cfg, folder
    assert common_pictures(cfg for cfg, _ in variants.values()) == [
        'kitchen_00003'
    ]
    sheets = []
    for rows in ('abc', 'ab', 'a'):
        path = tmp_path / f'{rows}.png'
        assert write_sheet(path, 't', {row: variants[row] for row in rows})
        sheets.append(cv2.imread(str(path)))
    # One, two and four pictures, below each other.
    assert np.diff([len(sheet) for sheet in sheets]).min() > 48
    gone = {'a': variants['a'], 'd': (variants['b'][0], tmp_path / 'd')}
    assert write_sheet(path, 't', gone)
    assert np.array_equal(cv2.imread(str(path)), sheets[2])
    far = copy.deepcopy(variants['a'][0])
    far.test_dataloader.dataset.first_index = 50
    apart = {'a': variants['a'], 'e': (far, tmp_path / 'a')}
    assert not write_sheet(tmp_path / 'e.png', 't', apart)
    assert not (tmp_path / 'e.png').exists()
    (tmp_path / 'b/kitchen_00003.png').unlink()
    with pytest.raises(DataError, match='kitchen_00003.png is missing'):
        write_sheet(tmp_path / 'abc.png', 't', variants)


def test_pictures_of_a_sheet():
    names = [f'room_{i}' for i in range(10)]
    assert sheet_places(names) == [0, 2, 5, 7]
    assert sheet_places(names[:3]) == [0, 1, 2]
    assert sheet_places(names, ['room_7', 'room_2']) == [7, 2]
    with pytest.raises(DataError, match='called gone'):
        sheet_places(names, ['gone'])
