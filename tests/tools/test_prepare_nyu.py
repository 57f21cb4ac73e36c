"""The command line of tools/prepare_nyu.py."""

import functools
import hashlib
import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from llm_mde_mm.datasets import preparation
from llm_mde_mm.datasets.preparation import download, manifest, nyu_mat
from tests.datasets.preparation.conftest import SPLIT
from tests.datasets.preparation.conftest import labeled as labeled
from tests.datasets.preparation.conftest import server as server


@pytest.fixture
def tool(run_here):
    return functools.partial(run_here, 'tools/prepare_nyu.py')


@pytest.fixture
def split(tmp_path):
    """A split file of the six pictures."""
    path = tmp_path / 'split.json'
    lists = {'train': [], 'test': []}
    for i, name in SPLIT.items():
        lists[name].append(i + 1)
    path.write_text(json.dumps(dict(first_index=1, **lists)))
    return path


def test_mat(tool, labeled, split, tmp_path):
    arguments = [
        *('mat', tmp_path / 'nyu', '--mat', labeled.path, '--no-verify'),
        *('--split-file', split, '--depth', 'raw'),
    ]
    assert '6 pictures, 13 files written' in tool(*arguments)
    assert '6 pictures, 0 files written' in tool(*arguments)


@pytest.fixture
def published(labeled, server, monkeypatch):
    """The six pictures, served as if they were the published file."""
    server.data = labeled.path.read_bytes()
    for module in (preparation, nyu_mat):
        monkeypatch.setattr(module, 'LABELED_SIZE', len(server.data))
        digest = hashlib.md5(server.data).hexdigest()
        monkeypatch.setattr(module, 'LABELED_MD5', digest)
    monkeypatch.setattr(nyu_mat, 'LABELED_PICTURES', len(SPLIT))
    return server


def test_a_download_is_hashed_once(
    tool, published, split, tmp_path, monkeypatch
):
    hashed = []

    def count(path, *algorithms):
        hashed.append(path.name)
        return manifest.file_digests(path, *algorithms)

    monkeypatch.setattr(download, 'file_digests', count)
    monkeypatch.setattr(nyu_mat, 'file_digests', count)
    arguments = [
        *('mat', tmp_path / 'nyu', '--download', '--url', published.url),
        *('--split-file', split),
    ]
    assert '6 pictures, 13 files written' in tool(*arguments)
    assert '6 pictures, 0 files written' in tool(*arguments)
    assert hashed == [
        'nyu_depth_v2_labeled.mat.part',
        'nyu_depth_v2_labeled.mat',
    ]
    source = json.loads((tmp_path / 'nyu/manifest.json').read_text())['source']
    assert source == dict(
        size=len(published.data),
        md5=hashlib.md5(published.data).hexdigest(),
        sha256=hashlib.sha256(published.data).hexdigest(),
        published=True,
    )


@pytest.mark.parametrize(
    ('mistake', 'message'),
    [
        ('no h5py', 'ConfigError: h5py is not installed'),
        ('bad split', 'DataError: .*not a split file'),
        ('split of others', 'DataError: .*6 pictures, but the split names 1,'),
        ('output is a file', 'WriteError: .*nyu is a file'),
        ('other depth', "DataError: .*depth is 'rawDepths'"),
    ],
)
def test_mistakes_end_before_the_download(
    tool, published, split, tmp_path, monkeypatch, mistake, message
):
    out = tmp_path / 'nyu'
    if mistake == 'no h5py':
        monkeypatch.setitem(sys.modules, 'h5py', None)
    elif mistake == 'bad split':
        split.write_text('[]')
    elif mistake == 'split of others':
        split.write_text('{"first_index": 0, "train": [0]}')
    elif mistake == 'output is a file':
        out.write_text('')
    else:
        out.mkdir()
        (out / 'manifest.json').write_text(
            '{"depth": "rawDepths", "picture": "jpg"}'
        )
    with pytest.raises(SystemExit, match=message):
        tool(
            *('mat', out, '--download', '--url', published.url),
            *('--mat', tmp_path / 'new.mat', '--split-file', split),
        )
    assert published.requests == []
    assert not (tmp_path / 'new.mat').exists()


@pytest.mark.parametrize('one_disk', [True, False])
def test_room_for_file_and_pictures_comes_before_the_download(
    tool, published, split, tmp_path, monkeypatch, one_disk
):
    # Five pictures to come, of 2.5 bytes a pixel.
    pictures, size = 5 * 640 * 480 * 5 // 2, len(published.data)
    out, mat = tmp_path / 'out/nyu', tmp_path / 'mat/new.mat'
    depth = out / 'annotations/train/kitchen_00000.png'
    depth.parent.mkdir(parents=True)
    depth.touch()
    free = pictures + size - 1 if one_disk else pictures - 1
    asked = []

    def disk_usage(path):
        asked.append(path)
        return SimpleNamespace(free=free)

    monkeypatch.setattr(shutil, 'disk_usage', disk_usage)
    if not one_disk:
        stat = Path.stat
        monkeypatch.setattr(
            Path,
            'stat',
            lambda path, **how: SimpleNamespace(
                st_dev='out' in path.parts, st_mode=stat(path, **how).st_mode
            ),
        )
    needed = f'{pictures + one_disk * size:,} bytes'
    with pytest.raises(SystemExit, match=f'{free:,} bytes are .* {needed}'):
        tool(
            *('mat', out, '--download', '--url', published.url),
            *('--mat', mat, '--split-file', split),
        )
    assert published.requests == []
    assert asked == [tmp_path if one_disk else out]


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
