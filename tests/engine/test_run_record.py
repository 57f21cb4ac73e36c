"""What run.json says, and what it finds different."""

import json
import subprocess

import pytest
from mmengine.config import Config
from mmengine.dataset import ConcatDataset
from mmengine.hooks import Hook

from llm_mde_mm.datasets import SyntheticRooms
from llm_mde_mm.datasets.splits import split_digest
from llm_mde_mm.engine import RunRecordHook
from llm_mde_mm.utils.errors import ConfigError
from llm_mde_mm.utils.run_record import (
    describe,
    differences,
    later_changes,
    read_record,
    write_record,
)
from llm_mde_mm.utils.versions import code_revision
from tests.engine.training import DieHook, config, resumed, train


class Loader:
    def __init__(self, *datasets):
        self.dataset = ConcatDataset(list(datasets))


def test_splits_are_named_through_wrappers_without_rendering(monkeypatch):
    monkeypatch.setattr(SyntheticRooms, '_picture', None)
    parts = [SyntheticRooms(2), SyntheticRooms(1, first_index=5)]
    record = describe('a = 1', 3, dict(train=Loader(*parts)))
    first = [p['img_path'][:-4] for p in parts[0].load_data_list()]
    last = [p['img_path'][:-4] for p in parts[1].load_data_list()]
    assert len(first) == 2
    assert record['splits']['train'] == dict(
        pictures=3, digest=split_digest(first + last)
    )
    assert (record['seed'], record['config']) == (3, 'a = 1')


def test_differences_are_named():
    there = dict(seed=1, versions=dict(torch='1', numpy='2'), git='a')
    here = dict(seed=1, versions=dict(torch='1', numpy='3'), git='b')
    assert differences(here, there) == 'versions.numpy: 2, 3; git: a, b'
    assert differences(there, there) == ''
    assert differences(dict(device='cpu'), dict(device='H100')) == (
        'device: H100, cpu'
    )


@pytest.mark.parametrize('text', ['', '{}', '[1]', '{"config": 1}'])
def test_a_damaged_record_is_named(text, tmp_path):
    (tmp_path / 'run.json').write_text(text)
    with pytest.raises(ConfigError, match='run.json cannot be read'):
        read_record(tmp_path)


def test_it_comes_back_as_it_was_written(tmp_path):
    record = dict(config='a = 1', seed=2)
    write_record(tmp_path, record)
    assert read_record(tmp_path) == record
    assert [p.name for p in tmp_path.iterdir()] == ['run.json']


def test_a_resumed_run_keeps_the_record_of_its_start(tmp_path):
    cfg = config(tmp_path, **{'train_cfg.max_epochs': 2})
    train(cfg, RunRecordHook(), DieHook('before_train_epoch', 1))
    first = json.loads((tmp_path / 'run.json').read_text())
    assert 'resumed' not in first
    train(resumed(cfg), RunRecordHook())
    again = json.loads((tmp_path / 'run.json').read_text())
    (later,) = again.pop('resumed')
    assert again == first
    assert later['step'] == 5
    assert later_changes(read_record(tmp_path)) == ''


def test_other_pictures_of_a_resumed_run_are_named(tmp_path):
    cfg = config(tmp_path, log_level='WARNING', **{'train_cfg.max_epochs': 2})
    train(cfg, RunRecordHook(), DieHook('before_train_epoch', 1))
    first = json.loads((tmp_path / 'run.json').read_text())
    cfg = resumed(cfg)
    cfg.train_dataloader.dataset.first_index = 50
    runner = train(cfg, RunRecordHook())
    log = next(tmp_path.glob(f'{runner.timestamp}/*.log')).read_text()
    [line] = [text for text in log.splitlines() if 'as it began' in text]
    assert f'splits.train: {first["splits"]["train"]}' in line
    assert 'splits.val' not in line


def part(work_dir='run', **config):
    config = dict(lr=1, epochs=2, work_dir=work_dir, **config)
    return dict(seed=1, config=Config(config).pretty_text)


def test_what_a_resumed_run_did_otherwise_is_named(tmp_path):
    own = dict(resume=True, load_from='run/epoch_1.pth')
    record = part(resume=False, load_from=None)
    record['resumed'] = [
        dict(part(**own), step=3),
        dict(seed=1, step=4),
        dict(part(resume=True, load_from='other/epoch_1.pth'), step=5),
        dict(part(wd=3), step=6, seed=2),
    ]
    assert later_changes(record) == (
        'from step 5 on: another config (load_from); '
        'from step 6 on: seed: 1, 2; another config (wd)'
    )


def test_a_repetition_logs_what_the_run_did_otherwise(tmp_path):
    cfg = config(tmp_path / 'run', **{'train_cfg.max_epochs': 1})
    record = describe(cfg.pretty_text, 5, {})
    cfg.train_cfg.max_epochs = 7
    later = dict(describe(cfg.pretty_text, 5, {}), step=5)
    write_record(tmp_path, dict(record, resumed=[later]))
    cfg.train_cfg.max_epochs = 1
    warned = []

    class Listen(Hook):
        priority = 'HIGHEST'

        def before_train(self, runner):
            runner.logger.warning = warned.append

    death = DieHook('before_train_epoch', 0)
    train(cfg, RunRecordHook(str(tmp_path)), Listen(), death)
    assert warned[-1].endswith('from step 5 on: another config (train_cfg))')


def git(folder, *words):
    identity = ['-c', 'user.name=a', '-c', 'user.email=a@b.c']
    return subprocess.run(
        ['git', '-C', folder, *identity, *words],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


def test_the_revision_is_that_of_the_code_with_its_edits(
    tmp_path, monkeypatch
):
    code, elsewhere = tmp_path / 'code', tmp_path / 'elsewhere'
    for folder in (code, elsewhere):
        folder.mkdir()
        git(folder, 'init')
        (folder / 'a.py').write_text(folder.name)
        git(folder, 'add', 'a.py')
        git(folder, 'commit', '-m', 'a')
    monkeypatch.chdir(elsewhere)
    commit = git(code, 'rev-parse', 'HEAD')
    assert code_revision(code / 'a.py') == commit
    seen = set()
    for text in ('b', 'c'):
        (code / 'a.py').write_text(text)
        seen.add(code_revision(code / 'a.py'))
    assert len(seen) == 2
    assert all(each.startswith(f'{commit}-dirty-') for each in seen)
    # As of a package installed inside somebody's repository.
    (code / 'b.py').touch()
    assert code_revision(code / 'b.py') is None
    (tmp_path / 'c.py').touch()
    assert code_revision(tmp_path / 'c.py') is None
