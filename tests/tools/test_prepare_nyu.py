"""The command line of tools/prepare_nyu.py."""

import json
import os
import runpy
import sys

import pytest

from tests.datasets.preparation.conftest import SPLIT
from tests.datasets.preparation.conftest import labeled as labeled
from tests.tools.conftest import ROOT


@pytest.fixture
def tool(monkeypatch, capsys):
    def run(*arguments):
        path = str(ROOT / 'tools/prepare_nyu.py')
        argv = [path, *(os.fspath(argument) for argument in arguments)]
        monkeypatch.setattr(sys, 'argv', argv)
        runpy.run_path(path, run_name='__main__')
        return capsys.readouterr().out

    return run


def test_mat(tool, labeled, tmp_path):
    split = tmp_path / 'split.json'
    lists = {'train': [], 'test': []}
    for i, name in SPLIT.items():
        lists[name].append(i + 1)
    split.write_text(json.dumps(dict(first_index=1, **lists)))
    arguments = [
        *('mat', tmp_path / 'nyu', '--mat', labeled.path, '--no-verify'),
        *('--split-file', split, '--depth', 'raw'),
    ]
    assert '6 pictures, 13 files written' in tool(*arguments)
    assert '6 pictures, 0 files written' in tool(*arguments)


def test_a_file_that_is_not_the_published_one(tool, tmp_path):
    (tmp_path / 'nyu_depth_v2_labeled.mat').write_text('no')
    with pytest.raises(SystemExit, match='DataError.*--no-verify'):
        tool('mat', tmp_path)


def test_index(tool, tmp_path):
    for name in ('rgb_00001.jpg', 'sync_depth_00001.png'):
        (tmp_path / 'cafe').mkdir(exist_ok=True)
        (tmp_path / 'cafe' / name).write_text(name)
    files = tmp_path / 'files.txt'
    files.write_text('rgb_00001.jpg sync_depth_00001.png 518.8579')
    arguments = ['index', tmp_path, '--list', 'val', files, 'cafe']
    assert '1 pictures' in tool(*arguments)
    assert '(unchanged)' in tool(*arguments)
    index = json.loads((tmp_path / 'index.json').read_text())
    assert index['items'][0]['split'] == 'val'
    with pytest.raises(SystemExit, match='ConfigError: --list val'):
        tool('index', tmp_path, '--list', 'val')
