import hashlib
import json

import cv2
import numpy as np
import pytest

from llm_mde_mm.datasets import NYUDepthDataset
from llm_mde_mm.datasets.preparation import (
    check_labeled,
    prepare_labeled,
    read_split,
)
from llm_mde_mm.utils.errors import ConfigError, DataError
from tests.datasets.preparation.conftest import ROOMS, SCENES, SPLIT


def prepare(labeled, out, split=SPLIT, **options):
    source = check_labeled(labeled.path, verify=False)
    return prepare_labeled(labeled.path, out, split, source, **options)


def read(path):
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def snapshot(folder):
    return {
        path: (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob('*')
        if path.is_file()
    }


def test_official_split():
    split = read_split()
    assert list(split) == list(range(1449))
    names = list(split.values())
    assert (names.count('train'), names.count('test')) == (795, 654)
    # Beginning of the test list that the evaluations of Eigen et al.'s
    # 654 pictures publish, counted from 0.
    test = [i for i, name in split.items() if name == 'test']
    assert test[:12] == [0, 1, 8, 13, 14, 15, 16, 17, 20, 27, 28, 29]


@pytest.mark.parametrize('depth', ['filled', 'raw'])
def test_values(labeled, tmp_path, depth):
    out = tmp_path / 'nyu'
    done = prepare(labeled, out, depth=depth, picture='png')
    assert done == dict(pictures=6, written=13)
    metres = getattr(labeled, depth).astype(np.float64)
    for i, split in SPLIT.items():
        name = f'{SCENES[i]}_{i:05d}.png'
        picture = read(out / 'images' / split / name)
        assert np.array_equal(picture[..., ::-1], labeled.rgb[i])
        found = read(out / 'annotations' / split / name)
        assert found.dtype == np.uint16
        assert np.abs(found / 1000 - metres[i]).max() <= 0.0005 + 1e-9
        assert ((found == 0) == (metres[i] == 0)).all()


def test_dataset_reads_the_layout(labeled, tmp_path):
    prepare(labeled, tmp_path / 'nyu')
    dataset = NYUDepthDataset(data_root=str(tmp_path / 'nyu'), split='test')
    scenes = [dataset.get_data_info(i)['scene'] for i in range(len(dataset))]
    assert scenes == ['kitchen', 'living_room', 'office']


def test_manifest(labeled, tmp_path):
    out = tmp_path / 'nyu'
    prepare(labeled, out)
    manifest = json.loads((out / 'manifest.json').read_text())
    digest = hashlib.sha256(labeled.path.read_bytes()).hexdigest()
    assert manifest['source']['sha256'] == digest
    assert manifest['source']['published'] is False
    assert [item['scene'] for item in manifest['items']] == list(SCENES)
    assert [item['room'] for item in manifest['items']] == list(ROOMS)
    assert [item['index'] for item in manifest['items']] == [1, 2, 3, 4, 5, 6]
    for item in manifest['items']:
        for key in ('image', 'depth'):
            content = (out / item[key]).read_bytes()
            digest = hashlib.sha256(content).hexdigest()
            assert item[f'{key}_sha256'] == digest


def test_second_run_writes_nothing_and_a_broken_one_is_finished(
    labeled, tmp_path
):
    out = tmp_path / 'nyu'
    prepare(labeled, out)
    before = snapshot(out)
    assert prepare(labeled, out)['written'] == 0
    assert snapshot(out) == before
    (out / 'manifest.json').unlink()
    (out / 'images/test/office_00003.jpg').unlink()
    assert prepare(labeled, out)['written'] == 2
    after = snapshot(out)
    assert {p: c for p, (c, _) in after.items()} == {
        p: c for p, (c, _) in before.items()
    }


def test_never_overwrites(labeled, tmp_path):
    out = tmp_path / 'nyu'
    mine = out / 'images/train/living_room_00001.jpg'
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b'mine')
    with pytest.raises(DataError, match='living_room_00001.jpg exists and'):
        prepare(labeled, out)
    assert mine.read_bytes() == b'mine'
    assert not (out / 'manifest.json').exists()


def test_other_settings_are_refused_at_once(labeled, tmp_path):
    out = tmp_path / 'nyu'
    prepare(labeled, out)
    before = snapshot(out)
    with pytest.raises(DataError, match='another depth, picture'):
        prepare(labeled, out, depth='raw', picture='png')
    assert snapshot(out) == before


def change(labeled, key, value):
    import h5py

    with h5py.File(labeled.path, 'r+') as file:
        old = file[key][...]
        del file[key]
        if value is not None:
            file[key] = value(old)


@pytest.mark.parametrize(
    ('key', 'value', 'message'),
    [
        ('scenes', None, "no 'scenes'"),
        ('depths', lambda a: a * 1000, 'in metres'),
        ('depths', lambda a: a * np.float32('nan'), 'not finite'),
        ('depths', lambda a: a[:, :-1], 'shape'),
        ('images', lambda a: a[:, :2], 'not'),
        ('#refs#/sceneTypes0', lambda a: a * 0 + ord('/'), 'plain name'),
    ],
)
def test_damaged_files(labeled, tmp_path, key, value, message):
    if key.startswith('#'):
        import h5py

        # The reference must still point to it: change it in place.
        with h5py.File(labeled.path, 'r+') as file:
            file[key][...] = value(file[key][...])
    else:
        change(labeled, key, value)
    with pytest.raises(DataError, match=message):
        prepare(labeled, tmp_path / 'nyu')


def test_wrong_arguments(labeled, tmp_path):
    with pytest.raises(ConfigError, match='depth'):
        prepare(labeled, tmp_path / 'nyu', depth='sparse')
    with pytest.raises(DataError, match='split names 1449'):
        prepare(labeled, tmp_path / 'nyu', split=read_split())
    with pytest.raises(DataError, match='published file'):
        check_labeled(labeled.path)
    with pytest.raises(DataError, match='--download'):
        check_labeled(tmp_path / 'absent.mat')
    text = tmp_path / 'text.mat'
    text.write_text('no')
    with pytest.raises(DataError, match='no HDF5 file'):
        prepare_labeled(text, tmp_path / 'nyu', SPLIT, {})


@pytest.mark.parametrize(
    'text',
    ['', '[]', '{"train": [1]}', '{"first_index": 1, "a": [1], "b": [1]}'],
)
def test_bad_split_file(tmp_path, text):
    path = tmp_path / 'split.json'
    path.write_text(text)
    with pytest.raises(DataError, match='split.json'):
        read_split(path)
