import errno
import hashlib
import json
import os
import shutil
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from llm_mde_mm.datasets import NYUDepthDataset
from llm_mde_mm.datasets.preparation import (
    check_labeled,
    nyu_mat,
    prepare_labeled,
    read_split,
)
from llm_mde_mm.utils.errors import ConfigError, DataError, WriteError
from tests.datasets.preparation.conftest import ROOMS, SCENES, SPLIT

# The 654 of AdaBins' list of test pictures, counted from 0 as in the names of
# its files.
EIGEN = """
0-1 8 13-17 20 27-42 45-46 55-56 58-62 75-78 83-90 116-118 124-128 130-133 136
152-154 166-168 170-175 179-192 193-201 206-211 219-221 249 263 270-271 272 278
279-282 283-284 295-301 309-311 314-316 324-331 332-334 350-351 354-363 383-389
394-396 410-413 429-434 440-447 461-465 468-476 507-512 514-525 530-532 536-538
548-550 554-557 558-570 578-582 590-593 602-606 611-612 616-620 632-637 643-644
649-650 655-657 662-663 667-672 675-680 685-689 692-693 696-698 705-712 716-717
723-727 730-733 742-743 758-786 799-803 809-813 820-822 832-845 849-851 856-861
868-870 905-907 916-918 925-927 931-934 944-946 958-961 964-966 969-976 990-994
1000-1003 1009-1011 1020-1022 1031-1033 1037-1038 1047-1048 1051-1052 1056-1057
1074-1083 1087-1095 1097-1103 1105-1108 1116-1118 1122-1130 1134-1135 1143-1157
1161-1166 1169-1170 1173-1175 1178-1183 1191-1195 1200-1211 1215-1219 1225-1229
1232-1234 1246-1249 1253-1264 1274-1279 1284-1294 1296-1298 1301-1307 1313-1314
1328-1331 1334-1339 1346-1348 1352-1355 1363-1364 1367-1368 1383-1390 1393-1400
1406-1413 1420-1423 1429-1432 1440-1448
"""


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
    test = {i for i, name in split.items() if name == 'test'}
    assert test == {
        i
        for first, _, last in (run.partition('-') for run in EIGEN.split())
        for i in range(int(first), int(last or first) + 1)
    }


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


@pytest.mark.parametrize('files', [1, 5, 13])
def test_a_killed_run_is_finished_without_a_trace(
    labeled, tmp_path, kill_during, files
):
    out, sound = tmp_path / 'nyu', tmp_path / 'sound'
    prepare(labeled, sound)
    assert kill_during(lambda: prepare(labeled, out), files) == -9
    assert len(list(out.rglob('.*.part'))) == 1
    assert prepare(labeled, out)['written'] == 13 - (files - 1)
    contents = [
        {path.relative_to(root): c for path, (c, _) in snapshot(root).items()}
        for root in (out, sound)
    ]
    assert contents[0] == contents[1]


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
    with pytest.raises(
        DataError,
        match="depth is 'depths', asked for is 'rawDepths'; "
        "picture is 'jpg', asked for is 'png'",
    ):
        prepare(labeled, out, depth='raw', picture='png')
    change(labeled, 'rawDepths', lambda a: a * 2)
    with pytest.raises(DataError, match=r'source\.md5 is .*, asked for is'):
        prepare(labeled, out)
    assert snapshot(out) == before


@pytest.mark.parametrize('finished', [True, False])
@pytest.mark.parametrize(
    ('change', 'stranger'),
    [
        (dict(split={**SPLIT, 0: 'train'}), 'images/test/kitchen_00000.jpg'),
        (dict(picture='png'), 'images/train/bathroom_00004.jpg'),
    ],
)
def test_pictures_of_another_run_are_left_alone(
    labeled, tmp_path, finished, change, stranger
):
    out = tmp_path / 'nyu'
    prepare(labeled, out)
    if not finished:
        (out / 'manifest.json').unlink()
    before = snapshot(out)
    message = f'files of something else: .*{stranger}'
    if finished and 'picture' in change:
        message = "picture is 'jpg'"
    with pytest.raises(DataError, match=message):
        prepare(labeled, out, **change)
    assert snapshot(out) == before


@pytest.mark.parametrize('name', ['../../evil', '/evil', '', '.', 'a/b'])
def test_a_split_is_a_plain_name(labeled, tmp_path, name):
    path = tmp_path / 'split.json'
    path.write_text(json.dumps({'first_index': 1, name: [1]}))
    with pytest.raises(DataError, match='split.json: .*not a plain name'):
        read_split(path)
    before = snapshot(tmp_path)
    with pytest.raises(DataError, match='not a plain name'):
        prepare(labeled, tmp_path / 'a/nyu', split={**SPLIT, 0: name})
    assert snapshot(tmp_path) == before


def test_room_for_the_pictures_is_asked_for_first(
    labeled, tmp_path, monkeypatch
):
    out, places = tmp_path / 'a/nyu', []

    def disk_usage(path):
        places.append(path)
        return SimpleNamespace(free=700)

    # Half of 8 x 6 pixels of 3 and 2 bytes is 120 bytes a picture.
    with monkeypatch.context() as patch:
        patch.setattr(shutil, 'disk_usage', disk_usage)
        with pytest.raises(
            WriteError, match='700 bytes are free.* about 720 bytes'
        ):
            prepare(labeled, out)
    assert places == [tmp_path] and not out.parent.exists()
    prepare(labeled, out)
    # Where all is there, nothing is needed.
    monkeypatch.setattr(shutil, 'disk_usage', disk_usage)
    assert prepare(labeled, out)['written'] == 0


def test_a_damaged_chunk(labeled, tmp_path):
    import h5py

    with h5py.File(labeled.path, 'r+') as file:
        depths = file['depths'][...]
        del file['depths']
        data = file.create_dataset(
            'depths', data=depths, chunks=(1, 8, 6), compression='gzip'
        )
        chunk = data.id.get_chunk_info(4)
    content = bytearray(labeled.path.read_bytes())
    start = chunk.byte_offset
    content[start : start + chunk.size] = bytes(chunk.size)
    labeled.path.write_bytes(content)
    with pytest.raises(DataError, match=f'{labeled.path} is .*damaged'):
        prepare(labeled, tmp_path / 'nyu')
    assert not (tmp_path / 'nyu/manifest.json').exists()


@pytest.mark.parametrize(
    'place', ['manifest.json', 'images/train/living_room_00001.jpg']
)
def test_a_folder_in_place_of_a_file(labeled, tmp_path, place):
    path = tmp_path / 'nyu' / place
    path.mkdir(parents=True)
    with pytest.raises(DataError, match=f'cannot read {path}: Is a dir'):
        prepare(labeled, tmp_path / 'nyu')


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
        ('scenes', lambda a: np.zeros(a.shape), 'damaged'),
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
    [
        '',
        '[]',
        '{"train": [1]}',
        '{"first_index": 1, "a": [1], "b": [1]}',
        '{"first_index": 1, "a": [1.5]}',
    ],
)
def test_bad_split_file(tmp_path, text):
    path = tmp_path / 'split.json'
    path.write_text(text)
    with pytest.raises(DataError, match='split.json'):
        read_split(path)


@pytest.mark.parametrize('share', [0.02, 0.5, 0.98])
def test_truncated_file(labeled, tmp_path, share):
    data = labeled.path.read_bytes()
    labeled.path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(DataError, match=f'{labeled.path} is truncated'):
        prepare(labeled, tmp_path / 'nyu')
    assert not list((tmp_path / 'nyu').rglob('*.*'))


def test_reference_to_nothing(labeled, tmp_path):
    import h5py

    with h5py.File(labeled.path, 'r+') as file:
        del file['#refs#/scenes0']
        file['scenes'][0, 1] = h5py.Reference()
    with pytest.raises(DataError, match=f'{labeled.path} is .*damaged'):
        prepare(labeled, tmp_path / 'nyu')


def test_wrong_checksum(labeled, monkeypatch):
    size = labeled.path.stat().st_size
    monkeypatch.setattr(nyu_mat, 'LABELED_SIZE', size)
    with pytest.raises(DataError, match='labeled.mat: the MD5 is .*--no-ver'):
        check_labeled(labeled.path)
    digest = hashlib.md5(labeled.path.read_bytes()).hexdigest()
    monkeypatch.setattr(nyu_mat, 'LABELED_MD5', digest)
    assert check_labeled(labeled.path)['published'] is True


def test_full_disk(labeled, tmp_path, monkeypatch):
    out, fdopen, left = tmp_path / 'nyu', os.fdopen, [5]

    class Full:
        """A file of a disk on which five files fit."""

        def __init__(self, stream):
            self.stream = stream

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.stream.close()

        def flush(self):
            self.stream.flush()

        def write(self, data):
            left[0] -= 1
            if left[0] < 0:
                self.stream.write(data[: len(data) // 2])
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self.stream.write(data)

    with monkeypatch.context() as patch:
        patch.setattr(os, 'fdopen', lambda *a, **k: Full(fdopen(*a, **k)))
        with pytest.raises(WriteError, match='nyu/.*No space left on device'):
            prepare(labeled, out, picture='png')
    written = [path for path in out.rglob('*') if path.is_file()]
    assert len(written) == 5 and all(p.suffix == '.png' for p in written)
    assert prepare(labeled, out, picture='png')['written'] == 13 - 5


@pytest.mark.parametrize('out', ['file', 'file/nyu'])
def test_output_that_is_a_file(labeled, tmp_path, out):
    (tmp_path / 'file').write_text('a file')
    with pytest.raises(WriteError, match=f'{tmp_path}/file is a file'):
        prepare(labeled, tmp_path / out)
