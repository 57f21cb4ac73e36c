"""A run's steps, with tools that only write what the real ones leave."""

import copy
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from signal import SIGTERM

import pytest

from llm_mde_mm.apis.table_records import epoch_of, training_record
from llm_mde_mm.apis.table_runs import (
    STATE,
    RunFailed,
    Setting,
    execute,
    is_trained,
    shorten,
    stop_all,
)
from llm_mde_mm.apis.tables import make_run
from llm_mde_mm.utils.errors import ConfigError, DataError
from tests.apis.test_tables import CONFIG

TRAIN = """
import json, os, pathlib, sys, time
folder = pathlib.Path(sys.argv[sys.argv.index('--work-dir') + 1])
with open(folder / 'calls', 'a') as stream:
    options = [a for a in sys.argv if a.startswith('--')]
    stream.write(' '.join(['train', *options]) + '\\n')
if (folder / 'fail').exists():
    print('one line\\nDataError: no pictures')
    sys.exit(1)
with open(folder / 'threads', 'w') as stream:
    stream.write(os.environ.get('OMP_NUM_THREADS', ''))
record = dict(
    versions=dict(torch='9'), git='abc', threads=3, device='cpu', config='',
    seed=3,
)
record['resumed'] = [dict(git='abc'), dict(git='def')]
(folder / 'run.json').write_text(json.dumps(record))
for name in ('epoch_2.pth', 'epoch_3.pth', 'best_loss_epoch_2.pth'):
    (folder / name).write_bytes(b'1234567')
(folder / 'last_checkpoint').write_text(str(folder / 'epoch_3.pth'))
"""
TEST = """
import json, pathlib, sys
config, folder = map(pathlib.Path, sys.argv[1:3])
with open(folder / 'calls', 'a') as stream:
    saves = '--save-predictions' in sys.argv
    stream.write(f'test {config.stem} {saves}\\n')
if (folder / 'fail_test').exists():
    sys.exit('TypeError: broken')
out = pathlib.Path(sys.argv[sys.argv.index('--out') + 1])
out.write_text(json.dumps(dict(abs_rel=len(config.stem), rmse_ci95=[1, 2])))
"""
ABLATE = """
import json, pathlib, sys
out = pathlib.Path(sys.argv[sys.argv.index('--out') + 1])
out.write_text(json.dumps(dict(untouched=dict(abs_rel=7))))
"""


@pytest.fixture
def setting(tmp_path):
    tools = tmp_path / 'tools'
    tools.mkdir()
    for name, text in dict(train=TRAIN, test=TEST, ablate=ABLATE).items():
        (tools / f'{name}.py').write_text(text)
    return Setting(tools, tmp_path / 'work', flags=('--x', 'y'))


@pytest.fixture
def run(tmp_path):
    path = tmp_path / 'mine' / 'row.py'
    path.parent.mkdir()
    # Rendered rooms take no subset.
    lines = CONFIG.replace('subset=', 'metainfo=')
    path.write_text(lines.replace("data_root='x', ", ''))
    return make_run(path, 3, {'test_scenes': []})


def calls(setting):
    return (setting.work_dir / 'mine/row_seed3/calls').read_text().split('\n')


def test_a_run_is_trained_and_scored(run, setting):
    result = execute(run, setting._replace(amp=True, ablate=True))
    assert calls(setting)[:-1] == [
        'train --work-dir --resume --amp',
        'test val False',
        'test test True',
    ]
    assert result['scores'] == dict(val=dict(abs_rel=3), test=dict(abs_rel=4))
    assert result['ablations']['val'] == dict(untouched=dict(abs_rel=7))
    assert (result['row'], result['seed'], result['digest']) == (
        'row',
        3,
        run.digest,
    )
    assert result['best_epoch'] == 2 and result['checkpoint_bytes'] == 7
    assert result['splits']['train']['pictures'] == 3
    # Bytes, not kilobytes. A forked process counts what its parent has.
    assert 1e6 < result['peak_bytes'] < 1e10
    assert result['flags'] == ['--x', 'y']
    # It is no path that exists, so it may be a name of the hub.
    assert result['weights'] == dict(language='/some/where/mpnet')
    # As the training has noted, not as it is when all has been scored.
    assert result['versions'] == dict(torch='9')
    assert (result['revision'], result['threads']) == ('abc, def', 3)
    assert result['device'] == f'{os.cpu_count()} CPU cores'
    assert 'trained' not in result and json.dumps(result)
    folder = setting.folder('mine', 'row_seed3')
    assert is_trained(folder)
    # Each tool has a report of its own.
    for name in ('val', 'test'):
        report = json.loads((folder / f'{name}.json').read_text())
        assert report['abs_rel'] == len(name)
    assert [p.name for p in folder.glob('*.pth')] == ['best_loss_epoch_2.pth']
    assert not (folder / 'last_checkpoint').exists()


def test_what_is_trained_is_not_trained_again(run, setting):
    folder = setting.folder('mine', 'row_seed3')
    folder.mkdir(parents=True)
    (folder / 'fail_test').touch()
    with pytest.raises(RunFailed, match=r'test.py .*TypeError: broken; log:'):
        execute(run, setting)
    (folder / 'fail_test').unlink()
    execute(run, setting)
    assert sum(line.startswith('train') for line in calls(setting)) == 1


def test_a_training_that_was_cut_goes_on(run, setting):
    folder = setting.folder('mine', 'row_seed3')
    folder.mkdir(parents=True)
    (folder / 'fail').touch()
    with pytest.raises(RunFailed) as info:
        execute(run, setting)
    message = str(info.value)
    assert 'tools/train.py ended with 1: DataError: no pictures' in message
    assert str(folder / 'console.log') in message
    (folder / 'fail').unlink()
    assert execute(run, setting)['scores']
    assert calls(setting)[:2] == ['train --work-dir --resume'] * 2


def test_another_configs_folder_is_not_used(run, setting):
    execute(run, setting)
    other = run._replace(digest='0' * 12)
    with pytest.raises(ConfigError, match='row_seed3 holds a run of another'):
        execute(other, setting)
    # The same config, whose data set has become another one.
    other = run._replace(cfg=copy.deepcopy(run.cfg))
    other.cfg.train_dataloader.dataset.num_rooms = 2
    with pytest.raises(ConfigError, match='row_seed3 holds .*other pictures'):
        execute(other, setting)


def test_a_damaged_state_is_named(run, setting):
    folder = setting.folder('mine', 'row_seed3')
    assert not is_trained(folder)
    execute(run, setting)
    (folder / STATE).write_text('{"digest"')
    for attempt in (lambda: execute(run, setting), lambda: is_trained(folder)):
        with pytest.raises(DataError, match=f'{STATE} cannot be read'):
            attempt()


@pytest.mark.parametrize(
    ('jobs', 'given', 'threads'),
    [(1, None, ''), (2, None, None), (2, '7', '7')],
)
def test_runs_side_by_side_share_the_cores(
    run, setting, monkeypatch, jobs, given, threads
):
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    if given:
        monkeypatch.setenv('OMP_NUM_THREADS', given)
    execute(run, setting._replace(jobs=jobs))
    found = (setting.folder('mine', 'row_seed3') / 'threads').read_text()
    share = max(1, os.cpu_count() // 2)
    assert found == (str(share) if threads is None else threads)


def test_a_run_can_be_stopped(run, setting):
    (setting.tools / 'train.py').write_text(
        'import pathlib, sys, time\n'
        "folder = sys.argv[sys.argv.index('--work-dir') + 1]\n"
        "(pathlib.Path(folder) / 'begun').touch()\n"
        'time.sleep(60)\n'
    )
    begun = setting.folder('mine', 'row_seed3') / 'begun'
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(execute, run, setting)
        while not begun.exists() and not future.done():
            time.sleep(0.01)
        stop_all()
        with pytest.raises(RunFailed, match=f'ended with -{SIGTERM:d}'):
            future.result(30)
    # Nothing is left to stop.
    stop_all()


def test_what_starts_after_the_stop_is_stopped(run, setting):
    tool = setting.tools / 'train.py'
    tool.write_text('import time\ntime.sleep(60)\n')
    stopped = setting._replace(stopped=lambda: True)
    with pytest.raises(RunFailed, match=f'ended with -{SIGTERM:d}'):
        execute(run, stopped)


def test_scores_are_shortened():
    report = dict(abs_rel=1, abs_rel_ci95=[0, 2], rmse_ci95=[1, 2])
    assert shorten(dict(report, protocol_settings={}, protocol='nyu')) == dict(
        abs_rel=1, abs_rel_ci95=[0, 2], protocol='nyu'
    )


def test_the_record_of_a_training_in_two_sessions(tmp_path):
    for start, seconds, epochs in (
        ('20250102_030405', 60, (1, 2)),
        ('20250102_040405', 30, (2, 3)),
    ):
        folder = tmp_path / start
        (folder / 'vis_data').mkdir(parents=True)
        log = folder / f'{start}.log'
        log.write_text(
            'part     parameters  trained\n'
            'all       1,234,567   89,000\nmore\n'
        )
        end = time.mktime(time.strptime(start, '%Y%m%d_%H%M%S')) + seconds
        os.utime(log, (end, end))
        (folder / 'vis_data/scalars.json').write_text(
            ''.join(
                json.dumps(dict(epoch=epoch, memory=100 * epoch)) + '\n'
                for epoch in epochs
            )
            + '{"abs_rel": 0.1, "step": 3}\n{"epoch": 9'
        )
    (tmp_path / 'test').mkdir()
    (tmp_path / 'test' / 'other.log').write_text('no stamp')
    assert training_record(tmp_path) == dict(
        train_seconds=90.0,
        epochs=3,
        gpu_bytes=300 * 2**20,
        parameters=1_234_567,
        trained_parameters=89_000,
    )


def test_the_epoch_of_a_checkpoint():
    assert epoch_of('best_loss_epoch_14.pth') == 14
    assert epoch_of('iter_3.pth') is None
