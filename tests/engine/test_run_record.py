"""What run.json says, and what it finds different."""

import json

import pytest
from mmengine.dataset import ConcatDataset

from llm_mde_mm.datasets import SyntheticRooms
from llm_mde_mm.datasets.splits import split_digest
from llm_mde_mm.engine import RunRecordHook
from llm_mde_mm.utils.errors import ConfigError
from llm_mde_mm.utils.run_record import (
    describe,
    differences,
    read_record,
    write_record,
)
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
