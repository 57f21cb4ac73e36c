import hashlib
import json

import pytest

from llm_mde_mm.datasets.draws import scene_and_room
from llm_mde_mm.datasets.preparation import index_tree, write_index
from llm_mde_mm.utils.errors import DataError


def add(root, *stems):
    for stem in stems:
        folder, number = stem.split(':')
        for name in (f'rgb_{number}.jpg', f'sync_depth_{number}.png'):
            path = root / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(stem + name)


@pytest.mark.parametrize(
    ('folder', 'scene', 'room'),
    [
        ('bathroom', 'bathroom', None),
        ('living_room', 'living_room', None),
        ('bathroom_0001', 'bathroom', 'bathroom_0001'),
        ('living_room_0042b', 'living_room', 'living_room_0042'),
        ('nyu_office_0', 'office', 'nyu_office_0'),
    ],
)
def test_scene_and_room(folder, scene, room):
    assert scene_and_room(folder) == (scene, room)


def test_both_forms_without_lists(tmp_path):
    add(
        tmp_path,
        'official_splits/test/bathroom:00045',
        'official_splits/train/kitchen:00002',
        'sync/bathroom_0001a:00000',
        # Neither lies in a folder of a split: counted from 0, 44 is one of
        # the official training pictures and 508 one of the test pictures.
        'flat/office:00044',
        'flat/office:00508',
    )
    items = index_tree(tmp_path)
    assert items[0] == dict(
        image='flat/office/rgb_00508.jpg',
        depth='flat/office/sync_depth_00508.png',
        scene='office',
        room=None,
        split='test',
    )
    found = {
        item['image']: (item['split'], item['room']) for item in items[1:]
    }
    assert found == {
        'official_splits/test/bathroom/rgb_00045.jpg': ('test', None),
        'flat/office/rgb_00044.jpg': ('train', None),
        'official_splits/train/kitchen/rgb_00002.jpg': ('train', None),
        'sync/bathroom_0001a/rgb_00000.jpg': ('train', 'bathroom_0001'),
    }


def test_a_splits_folder_as_root(tmp_path):
    root = tmp_path / 'test'
    # Picture 44 is a training picture; the folder's name comes first.
    add(root, 'office:00043')
    assert [item['split'] for item in index_tree(root)] == ['test']


def test_a_linked_room(tmp_path):
    add(tmp_path / 'far', 'cafe_0001a:00003')
    add(tmp_path / 'sync', 'office_0001a:00001')
    link = tmp_path / 'sync/cafe_0001a'
    link.symlink_to(tmp_path / 'far/cafe_0001a')
    items = index_tree(tmp_path / 'sync')
    assert [item['scene'] for item in items] == ['cafe', 'office']


def test_lists_of_two_and_three_columns(tmp_path):
    add(tmp_path, 'sync/cafe_0001a:00003', 'official/test/cafe:00001')
    train = tmp_path / 'train.txt'
    train.write_text(
        '/cafe_0001a/rgb_00003.jpg /cafe_0001a/sync_depth_00003.png 518.8579\n'
    )
    test = tmp_path / 'test.txt'
    test.write_text('\ncafe/rgb_00001.jpg cafe/sync_depth_00001.png\n')
    items = index_tree(
        tmp_path,
        [('test', test, 'official/test'), ('train', train, 'sync')],
    )
    assert items == [
        dict(
            image='official/test/cafe/rgb_00001.jpg',
            depth='official/test/cafe/sync_depth_00001.png',
            scene='cafe',
            room=None,
            split='test',
        ),
        dict(
            image='sync/cafe_0001a/rgb_00003.jpg',
            depth='sync/cafe_0001a/sync_depth_00003.png',
            scene='cafe',
            room='cafe_0001',
            split='train',
            focal=518.8579,
        ),
    ]


def test_index_is_written_once_and_moves_nothing(tmp_path):
    root, path = tmp_path / 'tree', tmp_path / 'index.json'
    add(root, 'cafe:00001', 'cafe_0001a:00002')
    before = {p: p.stat().st_mtime_ns for p in root.rglob('*')}
    items = index_tree(root, hashes=True)
    assert write_index(root, path, items) is True
    assert write_index(root, path, index_tree(root, hashes=True)) is False
    assert {p: p.stat().st_mtime_ns for p in root.rglob('*')} == before
    index = json.loads(path.read_text())
    assert index['root'] == 'tree' and index['depth_scale'] == 0.001
    for item in index['items']:
        content = (path.parent / index['root'] / item['depth']).read_bytes()
        assert item['depth_sha256'] == hashlib.sha256(content).hexdigest()
    add(root, 'cafe:00009')
    with pytest.raises(
        DataError,
        match='index.json exists and differs.* lists 2 pictures with hashes, '
        'asked for are 3 pictures with hashes; .*another file',
    ):
        write_index(root, path, index_tree(root, hashes=True))
    with pytest.raises(DataError, match='asked for are 3 pictures without'):
        write_index(root, path, index_tree(root))


@pytest.mark.parametrize('content', ['[]', '{"items": [1]}', 'text'])
def test_a_file_that_is_no_index_stays(tmp_path, content):
    path = tmp_path / 'index.json'
    add(tmp_path, 'cafe:00001')
    path.write_text(content)
    with pytest.raises(DataError, match='index.json'):
        write_index(tmp_path, path, index_tree(tmp_path))
    assert path.read_text() == content


def test_a_folder_in_place_of_the_index(tmp_path):
    path = tmp_path / 'index.json'
    add(tmp_path, 'cafe:00001')
    path.mkdir()
    with pytest.raises(DataError, match=f'cannot read {path}: Is a dir'):
        write_index(tmp_path, path, index_tree(tmp_path))


@pytest.mark.parametrize('folder', ['{root}/cafe', '..', 'cafe/../..'])
def test_a_list_starts_below_the_tree(tmp_path, folder):
    add(tmp_path, 'cafe:00001')
    path = tmp_path / 'list.txt'
    path.write_text('rgb_00001.jpg sync_depth_00001.png')
    with pytest.raises(DataError, match=f'no path below {tmp_path}'):
        index_tree(tmp_path, [('train', path, folder.format(root=tmp_path))])


def test_index_within_the_tree_has_root_dot(tmp_path):
    add(tmp_path, 'cafe:00001')
    write_index(tmp_path, tmp_path / 'index.json', index_tree(tmp_path))
    assert json.loads((tmp_path / 'index.json').read_text())['root'] == '.'


@pytest.mark.parametrize(
    'half', ['cafe/rgb_00001.jpg', 'cafe/sync_depth_00001.png']
)
def test_half_a_pair(tmp_path, half):
    add(tmp_path, 'cafe:00001', 'cafe:00002')
    (tmp_path / half).unlink()
    with pytest.raises(DataError, match=half):
        index_tree(tmp_path)


def test_all_missing_files_are_listed(tmp_path):
    numbers = [f'{i:05}' for i in range(7)]
    add(tmp_path, *(f'cafe:{number}' for number in numbers))
    lost = [f'cafe/sync_depth_{number}.png' for number in numbers]
    for name in lost:
        (tmp_path / name).unlink()
    with pytest.raises(DataError, match='lacks 7 files') as info:
        index_tree(tmp_path)
    assert str(info.value).splitlines()[1:] == [f'  {n}' for n in lost]


@pytest.mark.parametrize(
    ('lines', 'message'),
    [
        ('a/rgb_1.jpg', 'line 1: 1 columns'),
        ('cafe/rgb_00001.jpg cafe/sync_depth_00001.png x', "'x', not a num"),
        ('../rgb_00001.jpg cafe/sync_depth_00001.png', 'no path below'),
        ('cafe/rgb_00007.jpg cafe/sync_depth_00007.png', 'lacks 2 files'),
        ('cafe/rgb_00001.jpg cafe/sync_depth_00001.png\n' * 2, 'twice'),
    ],
)
def test_bad_lists(tmp_path, lines, message):
    add(tmp_path, 'cafe:00001')
    path = tmp_path / 'list.txt'
    path.write_text(lines)
    with pytest.raises(DataError, match=message):
        index_tree(tmp_path, [('train', path, '')])


def test_nothing_to_index(tmp_path):
    with pytest.raises(DataError, match='holds no'):
        index_tree(tmp_path)
    with pytest.raises(DataError, match='no folder'):
        index_tree(tmp_path / 'absent')
    with pytest.raises(DataError, match='cannot read list'):
        index_tree(tmp_path, [('test', tmp_path / 'absent.txt', '')])
