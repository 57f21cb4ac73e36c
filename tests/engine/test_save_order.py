"""The order of a save, and what is there at each instant of it."""

import errno
import itertools
import os
import resource
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch

from llm_mde_mm.evaluation import ValidationLoss
from llm_mde_mm.utils.checkpoint import (
    find_checkpoint,
    read_checkpoint,
    resumable_checkpoints,
)
from llm_mde_mm.utils.checkpoint_writing import (
    message_hub_state,
    move_pointer,
    plain,
    plain_message_hub,
    write_checkpoint,
)
from llm_mde_mm.utils.errors import DamagedError, WeightsError
from llm_mde_mm.utils.whole_file import remove_partial_files, whole_file

KEEP_ONE = {'default_hooks.checkpoint.max_keep_ckpts': 1}


@pytest.fixture
def improving(monkeypatch):
    """Each epoch is the best so far."""
    losses = itertools.count(9.0, -1.0)
    monkeypatch.setattr(
        ValidationLoss, 'compute_metrics', lambda *_: dict(loss=next(losses))
    )


@pytest.fixture
def events(monkeypatch):
    """What happens to files, and a look at the folder around each."""
    seen, looks = [], []

    def watch(name):
        call = getattr(os, name)

        def watched(path, *args, **kwargs):
            for look in looks:
                look()
            call(path, *args, **kwargs)
            target = args[0] if name == 'replace' else path
            if isinstance(target, int):
                target = os.readlink(f'/proc/self/fd/{target}')
            if Path(target).suffix != '.log':
                seen.append((name, Path(target).name))
            for look in looks:
                look()

        monkeypatch.setattr(os, name, watched)

    for name in ('fsync', 'replace', 'unlink'):
        watch(name)
    return seen, looks


def save_of(name):
    # The name of the written file ends in letters drawn at random.
    return [
        ('fsync', f'.{name}.'),
        ('replace', name),
        ('fsync', 'run'),
    ]


def test_a_whole_checkpoint_at_each_instant(run_cfg, train, events, improving):
    cfg = run_cfg(epochs=3, **KEEP_ONE)
    folder = Path(cfg.work_dir)
    seen, looks = events
    iters, best = [], []

    def look():
        if iters or (folder / 'last_checkpoint').is_file():
            newest = resumable_checkpoints(folder)[0]
            iters.append(read_checkpoint(newest)['meta']['iter'])
        if best or list(folder.glob('best_*.pth')):
            best.append(read_checkpoint(find_checkpoint(folder)))

    looks.append(look)
    train(cfg)
    assert iters == sorted(iters) and set(iters) == {2, 4, 6}
    assert len(best) > 10
    ours = [
        (kind, name.partition('.pth.')[0] + '.pth.')
        if name.endswith('.part') and '.pth.' in name
        else (kind, name.rpartition('.')[0][:-8])
        if name.endswith('.part')
        else (kind, name)
        for kind, name in seen
    ]
    pointer = save_of('last_checkpoint')
    # The last epoch's save, then its best one and the epoch's anew.
    assert ours[-17:] == [
        *save_of('epoch_3.pth'),
        *pointer,
        ('unlink', 'epoch_2.pth'),
        *save_of('best_loss_epoch_3.pth'),
        *save_of('epoch_3.pth'),
        *pointer,
        ('unlink', 'best_loss_epoch_2.pth'),
    ]
    assert sorted(p.name for p in folder.glob('*.pth')) == [
        'best_loss_epoch_3.pth',
        'epoch_3.pth',
    ]
    assert (folder / 'last_checkpoint').read_text() == 'epoch_3.pth'


def test_the_best_one_of_a_metric_that_is_found(run_cfg, train, improving):
    cfg = run_cfg(epochs=1, **{'default_hooks.checkpoint.save_best': 'auto'})
    # The first score of the first metric.
    cfg.val_evaluator = [dict(type='ValidationLoss')]
    train(cfg)
    for epochs in (2, 3):
        train(cfg, resume=True, **{'train_cfg.max_epochs': epochs})
        best = Path(cfg.work_dir).glob('best_*.pth')
        assert [p.name for p in best] == [f'best_loss_epoch_{epochs}.pth']


def test_another_run_in_the_folder_of_an_earlier_one(run_cfg, train):
    cfg = run_cfg(epochs=1)
    folder = Path(cfg.work_dir)
    train(cfg)
    earlier = {p.name: p.read_bytes() for p in folder.glob('*.pth')}
    assert earlier.keys() == {'epoch_1.pth', 'best_loss_epoch_1.pth'}
    start = str(folder / 'best_loss_epoch_1.pth')
    train(cfg, load_from=start, **{'default_hooks.checkpoint.save_best': None})
    (aside,) = folder.glob('before_*')
    assert {p.name: p.read_bytes() for p in aside.glob('*.pth')} == earlier
    assert (aside / 'last_checkpoint').is_file()
    best = find_checkpoint(folder)
    assert best.parent == folder and best.name == 'epoch_1.pth'
    assert not list(folder.glob('best_*'))


class Killed(BaseException):
    """As a kill: no handler of the package's sees it."""


def test_a_death_before_the_old_one_is_deleted(
    run_cfg, train, improving, monkeypatch, tmp_path
):
    cfg = run_cfg(epochs=3, **KEEP_ONE)
    folder = Path(cfg.work_dir)
    unlink = os.unlink

    def die(path, *args, **kwargs):
        if Path(path).name == 'epoch_1.pth':
            raise Killed
        unlink(path, *args, **kwargs)

    monkeypatch.setattr(os, 'unlink', die)
    with pytest.raises(Killed):
        train(cfg)
    monkeypatch.setattr(os, 'unlink', unlink)
    assert (folder / 'epoch_1.pth').is_file()
    for name in (
        '.epoch_2.pth.abcd_123.part',
        '.last_checkpoint.12345678.part',
    ):
        (folder / name).touch()
    mine = folder / '.mine.part'
    mine.touch()
    # A run's folder may be moved.
    shutil.move(folder, tmp_path / 'moved')
    runner = train(cfg, resume=True, work_dir=str(tmp_path / 'moved'))
    assert runner.iter == 6
    left = sorted(p.name for p in (tmp_path / 'moved').glob('*.pth'))
    assert left == ['best_loss_epoch_3.pth', 'epoch_3.pth']
    assert sorted(p.name for p in (tmp_path / 'moved').glob('.*')) == [
        '.mine.part'
    ]


def test_a_damaged_file_is_noticed(finished):
    cfg, _, _ = finished('random')
    path = Path(cfg.work_dir) / 'epoch_2.pth'
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        record = max(archive.infolist(), key=lambda r: r.file_size)
        contents = archive.read(record)
    flipped = bytearray(whole)
    # Not in the padding between records, where it would change nothing.
    flipped[whole.index(contents) + len(contents) // 2] ^= 1
    for data in (whole[: len(whole) // 2], bytes(flipped), b''):
        path.write_bytes(data)
        with pytest.raises(DamagedError, match='epoch_2.pth'):
            read_checkpoint(path)


@pytest.mark.parametrize(
    'damage', ['pointer', 'no_pointer', 'newest', 'gone', 'all']
)
def test_a_damaged_run_falls_back(run_cfg, finished, train, caplog, damage):
    cfg, _, _ = finished('random')
    folder = Path(cfg.work_dir)
    newest, older = folder / 'epoch_2.pth', folder / 'epoch_1.pth'
    if damage == 'pointer':
        (folder / 'last_checkpoint').write_bytes(b'\xff\xfe')
    elif damage == 'no_pointer':
        (folder / 'last_checkpoint').unlink()
    elif damage == 'gone':
        newest.unlink()
    else:
        newest.write_bytes(newest.read_bytes()[:-100])
    if damage == 'all':
        older.write_bytes(b'')
        with pytest.raises(WeightsError, match='no whole.*_2.*_1'):
            train(cfg, resume=True)
        return
    runner = train(cfg, resume=True)
    log = next(folder.glob(f'{runner.timestamp}/*.log')).read_text()
    start = newest if 'pointer' in damage else older
    assert f'Resumed from {start}' in log
    said = f'{newest} cannot be read' in log and 'one before it' in log
    assert said == (damage == 'newest')
    assert runner.iter == 4


def after(iterations, path, time):
    """A checkpoint that says no more than how far it has come."""
    meta = dict(iter=iterations)
    write_checkpoint(dict(meta=meta, state_dict={}), path)
    os.utime(path, (time, time))


def order(folder, pointer, time):
    (folder / 'last_checkpoint').write_text(pointer)
    os.utime(folder / 'last_checkpoint', (time, time))
    return [p.stem for p in resumable_checkpoints(folder)]


def test_the_later_one_that_the_pointer_does_not_name(tmp_path):
    for epoch in (9, 10, 11):
        after(4 * epoch, tmp_path / f'epoch_{epoch}.pth', epoch)
    (tmp_path / 'best_loss_epoch_10.pth').touch()
    latest = ['epoch_11', 'epoch_10', 'epoch_9']
    assert order(tmp_path, 'epoch_10.pth', 10) == latest
    # Left of an earlier, longer run in the same folder.
    assert order(tmp_path, 'epoch_9.pth', 12) == [
        'epoch_9',
        'epoch_11',
        'epoch_10',
    ]
    # As MMEngine's own hook writes it, of a folder that has moved.
    assert order(tmp_path, '/old/run/epoch_11.pth', 10) == latest
    # Copied, all times at random.
    assert order(tmp_path, 'epoch_11.pth', 5) == latest
    os.utime(tmp_path / 'epoch_9.pth', (99, 99))
    assert order(tmp_path, 'epoch_11.pth', 5) == [
        'epoch_11',
        'epoch_9',
        'epoch_10',
    ]


def test_one_that_a_signal_left_is_ordered_by_its_iterations(tmp_path):
    first, second = tmp_path / 'epoch_1.pth', tmp_path / 'epoch_2.pth'
    after(5, first, 1)
    after(7, tmp_path / 'interrupted.pth', 3)
    # Killed before the pointer named it.
    assert order(tmp_path, 'epoch_1.pth', 2) == ['interrupted', 'epoch_1']
    # The folder was copied, the pointer first.
    os.utime(first, (6, 6))
    for time in (0, 4, 8):
        found = order(tmp_path, 'interrupted.pth', time)
        assert found == ['interrupted', 'epoch_1']
    # Gone on from, and killed again before the pointer named the next one.
    after(10, second, 9)
    found = order(tmp_path, 'interrupted.pth', 4)
    assert found == ['epoch_2', 'interrupted', 'epoch_1']
    # Without a pointer, and with all times alike.
    (tmp_path / 'last_checkpoint').unlink()
    for path in tmp_path.iterdir():
        os.utime(path, (1, 1))
    found = [p.stem for p in resumable_checkpoints(tmp_path)]
    assert found == ['epoch_2', 'interrupted', 'epoch_1']


@pytest.mark.parametrize('data', [b'', b'PK', None])
def test_one_that_cannot_be_read_is_not_the_later_one(tmp_path, data):
    after(5, tmp_path / 'epoch_1.pth', 1)
    bad = tmp_path / 'epoch_2.pth'
    if data is None:
        torch.save(dict(meta=dict(iter=10, time=os.getcwd)), bad)
    else:
        bad.write_bytes(data)
    assert order(tmp_path, 'epoch_1.pth', 2) == ['epoch_1', 'epoch_2']


def test_the_pointer_is_relative(tmp_path):
    (tmp_path / 'run').mkdir()
    (tmp_path / 'kept').mkdir()
    (tmp_path / 'kept/epoch_1.pth').touch()
    move_pointer(tmp_path / 'run', tmp_path / 'kept/epoch_1.pth')
    assert (tmp_path / 'run/last_checkpoint').read_text() == (
        '../kept/epoch_1.pth'
    )
    found = resumable_checkpoints(tmp_path / 'run')
    assert [p.resolve() for p in found] == [tmp_path / 'kept/epoch_1.pth']


@pytest.fixture
def small_files():
    """No file of more than 100 kB can be written: a disk that is full."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_no_room(tmp_path, small_files):
    path = tmp_path / 'epoch_1.pth'
    write_checkpoint(dict(state_dict=dict(a=torch.zeros(10))), path)
    before = path.read_bytes()
    big = dict(state_dict=dict(a=torch.zeros(100_000)))
    with pytest.raises(
        WeightsError, match='epoch_1.pth could not be writ.*Fi'
    ):
        write_checkpoint(big, path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ['epoch_1.pth']


def test_no_room_for_the_last_bytes(tmp_path, monkeypatch):
    def fsync(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / 'epoch_1.pth'
    path.write_bytes(b'whole')
    monkeypatch.setattr(os, 'fsync', fsync)
    with pytest.raises(WeightsError, match='epoch_1.*No space left'):
        write_checkpoint(dict(state_dict={}), path)
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b'whole']


def test_a_read_only_folder(tmp_path):
    (tmp_path / 'epoch_1.pth').write_bytes(b'whole')
    tmp_path.chmod(0o555)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            if os.geteuid() == 0:  # whom modes do not stop
                tmp_path.parent.parent.chmod(0o755)
                tmp_path.parent.chmod(0o755)
                os.seteuid(65534)
            write_checkpoint(dict(state_dict={}), tmp_path / 'epoch_1.pth')
        except WeightsError as error:
            code = 0 if 'Permission denied' in str(error) else 2
        finally:
            os._exit(code)
    status = os.waitpid(child, 0)[1]
    tmp_path.chmod(0o755)
    assert os.waitstatus_to_exitcode(status) == 0
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b'whole']


def test_a_bad_write_takes_no_name(tmp_path):
    path = tmp_path / 'a.pth'
    path.write_bytes(b'whole')

    def refuse(written):
        assert written.read_bytes() == b'bad' and written.parent == tmp_path
        raise ValueError

    with pytest.raises(ValueError), whole_file(path, check=refuse) as stream:
        stream.write(b'bad')
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b'whole']


def test_partial_files_go(tmp_path):
    with pytest.raises(Killed), whole_file(tmp_path / 'a.pth') as stream:
        [part] = tmp_path.iterdir()
        shutil.copy(part, tmp_path / '.b.pth.abcdefgh.part')
        stream.write(b'half')
        raise Killed
    (tmp_path / 'c.part').touch()
    assert [p.name for p in remove_partial_files(tmp_path)] == [
        '.b.pth.abcdefgh.part'
    ]
    assert [p.name for p in tmp_path.iterdir()] == ['c.part']


def test_partial_files_in_use_stay(tmp_path):
    """A second process of a work dir does not take the first one's file."""
    with whole_file(tmp_path / 'a.pth') as stream:
        stream.write(b'whole')
        code = (
            'import pathlib, sys\n'
            'from llm_mde_mm.utils.whole_file import remove_partial_files\n'
            'print(remove_partial_files(pathlib.Path(sys.argv[1])))'
        )
        other = subprocess.run(
            [sys.executable, '-c', code, tmp_path],
            capture_output=True,
            text=True,
            check=True,
        )
    assert other.stdout == '[]\n'
    assert (tmp_path / 'a.pth').read_bytes() == b'whole'


def test_plain_data(tmp_path):
    import collections

    import numpy as np
    from mmengine.logging import HistoryBuffer, MessageHub

    table = torch.arange(1000.0)
    value = dict(
        scalar=np.float64(0.1),
        array=np.arange(3),
        words=np.array(['a', 'b']),
        queue=collections.deque([1, 2], 2),
        ordered=collections.OrderedDict(a=(1, None)),
        part=table[:2],
        path=Path('a/b'),
    )
    write_checkpoint(value, tmp_path / 'a.pth')
    assert (tmp_path / 'a.pth').stat().st_size < 3000
    read = torch.load(tmp_path / 'a.pth', weights_only=True)
    assert read.pop('array').tolist() == [0, 1, 2]
    assert read.pop('part').tolist() == [0, 1]
    assert read == dict(
        scalar=0.1,
        words=['a', 'b'],
        queue=[1, 2],
        ordered=dict(a=(1, None)),
        path='a/b',
    )
    with pytest.raises(WeightsError, match=r"checkpoint\['f'\]\[1\] is a fu"):
        plain(dict(f=[1, plain]))
    hub = MessageHub.get_instance('plain')
    for number in (0.5, 0.25):
        hub.update_scalar('loss', number, 3)
    hub.update_info('epoch', 2)
    state = message_hub_state(plain_message_hub(hub.state_dict()))
    log = state['log_scalars']['loss']
    assert isinstance(log, HistoryBuffer)
    assert log.data[0].tolist() == [0.5, 0.25]
    assert log.data[1].tolist() == [3, 3]
    assert state['runtime_info']['epoch'] == 2


def test_links_and_pipes_stay_what_they_are(tmp_path):
    target, link, pipe = (tmp_path / name for name in ('t', 'l', 'p'))
    target.write_bytes(b'old')
    link.symlink_to(target)
    with whole_file(link) as stream:
        stream.write(b'new')
    assert link.is_symlink() and target.read_bytes() == b'new'
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with whole_file(pipe) as stream:
        stream.write(b'through')
    assert os.read(reader, 99) == b'through' and pipe.is_fifo()
    os.close(reader)
