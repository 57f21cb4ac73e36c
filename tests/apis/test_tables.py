"""Rows, configs, results that are found again, and what is left to do."""

import json
import os
from pathlib import Path

import pytest
from mmengine.config import Config

from llm_mde_mm.apis.table_digest import config_digest
from llm_mde_mm.apis.table_results import (
    check_current,
    find_finished,
    in_turns,
    read_results,
    seconds_left,
)
from llm_mde_mm.apis.table_weights import weight_digests, weight_names
from llm_mde_mm.apis.tables import (
    describe_splits,
    difference,
    find_rows,
    make_run,
    natural_key,
    scoring_configs,
    title_of,
)
from llm_mde_mm.datasets.splits import split_digest
from llm_mde_mm.utils.errors import ConfigError, DataError

CONFIG = '''"""A row. And more.

Much more.
"""

model = dict(
    backbone=dict(language=dict(weights='/some/where/mpnet'))
)
randomness = dict(seed=0)
rooms = dict(type='SyntheticRooms', size=(16, 16))
train_dataloader = dict(
    batch_size=2,
    num_workers=2,
    dataset=dict(num_rooms=3, subset=dict(shots=1, seed=9), **rooms),
)
val_dataloader = dict(
    dataset=dict(
        num_rooms=2,
        first_index=7,
        subset=dict(_delete_=True, complement=True, then=dict(shots=2)),
        **rooms,
    )
)
test_dataloader = dict(
    dataset=dict(num_rooms=4, data_root='x', subset=dict(scenes='a'), **rooms)
)
test_scenes = ['a', 'b']
'''


@pytest.fixture
def table(tmp_path):
    folder = tmp_path / 'mine'
    folder.mkdir()
    for name in ('pictures_4', 'pictures_16', 'alone', 'pictures_1'):
        (folder / f'{name}.py').write_text(CONFIG)
    return folder


def test_rows_come_in_order(table):
    names = [path.stem for path in find_rows(table)]
    assert names == ['alone', 'pictures_1', 'pictures_4', 'pictures_16']
    chosen = find_rows(table, ['pictures_16', 'pictures_4'])
    assert [path.stem for path in chosen] == ['pictures_4', 'pictures_16']
    with pytest.raises(ConfigError, match='no row gone; there are alone, p'):
        find_rows(table, ['gone'])
    with pytest.raises(ConfigError, match='no folder .*nowhere'):
        find_rows(table / 'nowhere')


def test_numbers_come_first():
    names = ['run_16', 'batch_low', '0_default', 'run_4']
    expected = ['0_default', 'batch_low', 'run_4', 'run_16']
    assert sorted(names, key=natural_key) == expected


def test_the_title_is_the_first_line(table, tmp_path):
    assert title_of(table / 'alone.py') == 'A row. And more'
    (tmp_path / 'bare.py').write_text('a = 1\n')
    assert title_of(tmp_path / 'bare.py') == 'bare'


def test_a_seed_reaches_every_draw(table):
    run = make_run(table / 'alone.py', 5, {'train_dataloader.batch_size': 3})
    assert run.name == 'alone_seed5' and run.table == 'mine'
    assert run.cfg.randomness.seed == 5
    assert run.cfg.train_dataloader.batch_size == 3
    assert run.cfg.train_dataloader.dataset.subset == dict(shots=1, seed=5)
    rule = run.cfg.val_dataloader.dataset.subset
    assert rule == dict(complement=True, then=dict(shots=2, seed=5))
    assert run.cfg.test_dataloader.dataset.subset == dict(scenes='a')


def test_the_digest_is_of_what_scores_depend_on(table):
    path = table / 'alone.py'
    digest = make_run(path, 0).digest
    assert make_run(table / 'pictures_1.py', 0).digest == digest
    same = {
        'train_dataloader.num_workers': 0,
        'test_dataloader.dataset.data_root': 'elsewhere',
        'model.backbone.language.weights': 'mpnet',
        'model.backbone.language.attn_implementation': 'eager',
        'custom_hooks': [dict(type='ProgressBarHook', interval_s=3)],
        'default_hooks': dict(logger=dict(interval=5)),
    }
    assert make_run(path, 0, same).digest == digest
    other = [
        make_run(path, 1),
        make_run(path, 0, amp=True),
        make_run(path, 0, {'model.backbone.language.weights': 'bert'}),
        make_run(path, 0, {'train_dataloader.batch_size': 1}),
        make_run(path, 0, {'custom_hooks': [dict(type='EMAHook')]}),
        make_run(path, 0, {'default_hooks.checkpoint.save_best': 'd1'}),
        make_run(path, 0, {'default_hooks.stop': dict(type='StopHook')}),
        make_run(path, 0, {'test_cfg.fp16': True}),
        make_run(path, 0, {'load_from': '/runs/one.pth'}),
    ]
    assert len({digest, *(run.digest for run in other)}) == 10
    moved = make_run(path, 0, {'load_from': '/elsewhere/one.pth'})
    assert moved.digest == other[-1].digest
    assert config_digest(make_run(path, 0).cfg) == digest


def test_what_a_run_is_scored_on(table):
    cfg = make_run(table / 'alone.py', 0).cfg
    cases = scoring_configs(cfg)
    assert list(cases) == ['val', 'test', 'a', 'b']
    data = {name: c.test_dataloader.dataset for name, c in cases.items()}
    assert data['val'] == cfg.val_dataloader.dataset
    assert data['test'] == cfg.test_dataloader.dataset
    assert data['b'] == {**data['test'], 'subset': dict(scenes='b')}


def test_the_pictures_of_each_split():
    rooms = dict(type='SyntheticRooms', size=(16, 16), scene_types=['kitchen'])
    parts = dict(train=(3, 0), val=(1, 5), test=(2, 9))
    cfg = Config(
        {
            f'{split}_dataloader': dict(
                dataset=dict(num_rooms=n, first_index=first, **rooms)
            )
            for split, (n, first) in parts.items()
        }
    )
    assert describe_splits(cfg) == {
        split: dict(
            pictures=n,
            digest=split_digest(
                f'room 0 kitchen_{i:05}.jpg' for i in range(first, first + n)
            ),
            bytes=0,
        )
        for split, (n, first) in parts.items()
    }


def test_the_size_of_the_files_tells_other_data(tmp_path):
    pictures, depths = (tmp_path / n for n in ('a.jpg', 'a.png'))
    pictures.write_bytes(b'picture')
    depths.write_bytes(b'depth')
    items = [dict(image='a.jpg', depth='a.png')]
    (tmp_path / 'i.json').write_text(
        json.dumps(dict(items=items, depth_scale=1))
    )
    splits = ('train', 'val', 'test')
    data = dict(type='DepthFolderDataset', index=str(tmp_path / 'i.json'))
    wrapped = dict(
        train=dict(type='RepeatDataset', times=2, dataset=data),
        val=data,
        test=dict(type='ConcatDataset', datasets=[data]),
    )
    cfg = Config(
        {
            f'{split}_dataloader': dict(dataset=wrapped[split])
            for split in splits
        }
    )
    before = describe_splits(cfg)
    assert {before[split]['bytes'] for split in splits} == {12}
    depths.write_bytes(b'other depth')
    after = describe_splits(cfg)
    assert after['val']['digest'] == before['val']['digest']
    assert differs(after, before) == 'other pictures'
    # An earlier version did not write it down.
    for part in before.values():
        del part['bytes']
    assert differs(after, before) is None
    assert differs(after, dict(before, val=dict(pictures=9)))


def differs(splits, others):
    here = dict(digest='a', splits=splits, weight_digests={})
    return difference(dict(here, splits=others), here)


def test_local_weights_are_told_by_what_they_hold(tmp_path, monkeypatch):
    names = [tmp_path / name / 'model.safetensors' for name in ('one', 'two')]
    for path in names:
        path.parent.mkdir()
        path.write_bytes(b'tensors')

    def digests(vision, language='who/bert'):
        parts = dict(vision=vision, language=language)
        backbone = {k: dict(weights=str(v)) for k, v in parts.items()}
        cfg = dict(model=dict(backbone=backbone))
        assert weight_names(cfg)['vision'] == Path(vision).name
        return weight_digests(cfg)

    first = digests(names[0])
    assert first.keys() == {'vision'} and digests(names[1]) == first
    # A folder by its files of weights.
    assert digests(names[0].parent) == first
    monkeypatch.setenv('HOME', str(names[0].parent))
    assert digests(f'~/{names[0].name}') == first
    names[1].write_bytes(b'others')
    os.utime(names[1], (1, 1))
    second = digests(names[1])
    assert second != first
    run = dict(digest='a', splits=SPLITS, weight_digests=first)
    assert difference(dict(run, weight_digests=second), run) == 'other weights'
    # Results of an earlier version, or of weights from a hub.
    assert difference(dict(run, weight_digests={}), run) is None


@pytest.mark.parametrize(
    ('option', 'said'),
    [
        ('randomness.seed', '--seeds and --work-dir'),
        ('train_dataloader.dataset.subset.seed', '--seeds and --work-dir'),
        ('work_dir', '--seeds and --work-dir'),
        ('test_evaluator', "the prefix 'nyu'"),
    ],
)
def test_options_without_an_effect_are_refused(table, option, said):
    value = dict(type='MonocularDepthMetric', prefix='nyu')
    with pytest.raises(ConfigError, match=said):
        make_run(table / 'alone.py', 0, {option: value})


SPLITS = dict(train=dict(pictures=3, digest='abc'))


def identity(run, splits=SPLITS, **weights):
    return dict(digest=run.digest, splits=splits, weight_digests=weights)


def save(folder, run, **changes):
    folder.mkdir(parents=True, exist_ok=True)
    result = dict(
        table=run.table,
        row=run.row,
        seed=run.seed,
        title=run.title,
        digest=run.digest,
        splits=SPLITS,
        scores=dict(val=dict(abs_rel=0.5)),
    )
    path = folder / f'{changes.get("row", run.row)}_seed{run.seed}.json'
    path.write_text(json.dumps({**result, **changes}))
    return path


def test_finished_runs_are_found(table, tmp_path):
    results = tmp_path / 'results'
    run = make_run(table / 'alone.py', 0)
    assert find_finished(run, results, identity(run)) is None
    save(results / 'mine', run)
    found = find_finished(run, results, identity(run))
    assert found['scores']['val']['abs_rel'] == 0.5
    # It lacks the ablations, so it is not finished where they are asked for.
    assert find_finished(run, results, identity(run), ablated=True) is None
    other = make_run(table / 'alone.py', 1)
    assert find_finished(other, results, identity(other)) is None
    # Unless an equal run of another table has them.
    save(results / 'other', run, row='twin', ablations=dict(val=1))
    found = find_finished(run, results, identity(run), ablated=True)
    assert found['same_as'] == 'other/twin_seed0'


def test_an_equal_run_of_another_table_is_not_made_again(table, tmp_path):
    run = make_run(table / 'pictures_4.py', 0)
    results = tmp_path / 'results'
    save(results / 'other', run, row='twin', table='other', title='Twin')
    found = find_finished(run, results, identity(run))
    assert found['same_as'] == 'other/twin_seed0'
    others = dict(train=dict(pictures=3, digest='def'))
    assert find_finished(run, results, identity(run, others)) is None
    assert (found['table'], found['row']) == ('mine', 'pictures_4')
    assert found['title'] == 'A row. And more'


def test_a_result_of_another_config_is_an_error(table, tmp_path):
    run = make_run(table / 'alone.py', 0)
    save(tmp_path / 'mine', run, digest='0' * 12)
    with pytest.raises(ConfigError, match='alone_seed0.json .*another config'):
        find_finished(run, tmp_path, identity(run))


def test_a_result_of_other_pictures_is_an_error(table, tmp_path):
    run = make_run(table / 'alone.py', 0)
    save(tmp_path / 'mine', run)
    others = dict(train=dict(pictures=3, digest='def'))
    with pytest.raises(ConfigError, match='alone_seed0.json .*other pictures'):
        find_finished(run, tmp_path, identity(run, others))


def test_all_results_of_a_page_are_of_the_configs(table, tmp_path):
    check_current(table, tmp_path)
    options = {'train_dataloader.batch_size': 3}
    for seed in (0, 1):
        save(tmp_path, make_run(table / 'alone.py', seed, options))
    check_current(table, tmp_path, options)
    with pytest.raises(ConfigError, match='alone_seed0.json was measured w'):
        check_current(table, tmp_path)
    (table / 'alone.py').unlink()
    with pytest.raises(ConfigError, match='a row that .*mine does not have'):
        check_current(table, tmp_path, options)


def test_equal_runs_wait_for_each_other(table):
    paths = [table / f'{name}.py' for name in ('alone', 'pictures_1')]
    runs = [make_run(path, seed) for seed in (0, 1) for path in paths]
    turns = [[run.name for run in turn] for turn in in_turns(runs)]
    assert turns == [
        ['alone_seed0', 'alone_seed1'],
        ['pictures_1_seed0', 'pictures_1_seed1'],
    ]


def test_a_damaged_result_is_an_error(table, tmp_path):
    run = make_run(table / 'alone.py', 0)
    path = save(tmp_path / 'mine', run)
    path.write_text(path.read_text()[:40])
    with pytest.raises(DataError, match='alone_seed0.json .*delete it'):
        find_finished(run, tmp_path, identity(run))
    path.write_text('{"row": "alone"}')
    with pytest.raises(DataError, match='it has no digest, scores, seed, sp'):
        find_finished(run, tmp_path, identity(run))


def test_results_come_in_order(table, tmp_path):
    for name in ('pictures_16', 'pictures_4'):
        for seed in (1, 0):
            save(tmp_path / 'r', make_run(table / f'{name}.py', seed))
    found = [(r['row'], r['seed']) for r in read_results(tmp_path / 'r')]
    rows = ('pictures_4', 'pictures_16')
    assert found == [(row, seed) for row in rows for seed in (0, 1)]


@pytest.mark.parametrize(
    ('seconds', 'runs', 'jobs', 'left'),
    [
        ([], 3, 1, None),
        ([10, 20], 3, 1, 45),
        ([10, 20], 3, 2, 30),
        ([10], 0, 1, 0),
    ],
)
def test_time_left(seconds, runs, jobs, left):
    assert seconds_left(seconds, runs, jobs) == left
