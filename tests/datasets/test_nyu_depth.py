import os

import cv2
import numpy as np
import pytest
from mmengine.config import ConfigDict
from mmengine.dataset import ConcatDataset
from mmseg.registry import DATASETS

from llm_mde_mm.datasets import chosen
from llm_mde_mm.datasets.nyu_depth import NYUDepthDataset
from llm_mde_mm.datasets.splits import choose, split_digest
from llm_mde_mm.datasets.transforms import LoadDepth, LoadPicture
from llm_mde_mm.utils.errors import ConfigError, DataError

NAMES = sorted(
    f'{scene}_{i:05}' for scene in ('kitchen', 'living_room') for i in range(4)
)


@pytest.fixture
def root(tmp_path):
    """Eight tiny samples of two scene types; depth is the index in dm."""
    for kind in ('images', 'annotations'):
        (tmp_path / kind / 'train').mkdir(parents=True)
    for i, name in enumerate(NAMES):
        image = np.full((4, 6, 3), 10 * i, np.uint8)
        depth = np.full((4, 6), 100 * i, np.uint16)
        cv2.imwrite(str(tmp_path / f'images/train/{name}.jpg'), image)
        cv2.imwrite(str(tmp_path / f'annotations/train/{name}.png'), depth)
    return tmp_path


def paths(dataset):
    return [dataset.get_data_info(i)['img_path'] for i in range(len(dataset))]


def test_items(root):
    dataset = DATASETS.build(
        dict(type='NYUDepthDataset', data_root=str(root), split='train')
    )
    assert len(dataset) == 8
    assert dataset[5] == dict(
        img_path=f'{root}/images/train/living_room_00001.jpg',
        depth_map_path=f'{root}/annotations/train/living_room_00001.png',
        scene='living_room',
        seg_fields=[],
        sample_idx=5,
    )
    assert dataset.metainfo['dataset_type'] == 'NYUDepthDataset'
    assert len(dataset.metainfo['classes']) == 27


@pytest.mark.parametrize('serialize_data', [True, False])
def test_pipeline_gets_the_pair(root, serialize_data):
    dataset = NYUDepthDataset(
        root,
        pipeline=[LoadPicture(), LoadDepth()],
        serialize_data=serialize_data,
    )
    for _ in range(2):  # an item leaves no trace in the next
        item = dataset[3]
        np.testing.assert_allclose(item['gt_depth_map'], 0.3)
        assert item['seg_fields'] == ['gt_depth_map']


def test_subset_and_indices(root):
    rule = dict(shots=1, seed=5, complement=True, then=dict(evenly_spaced=3))
    dataset = NYUDepthDataset(root, subset=ConfigDict(rule))
    expected = [f'{root}/images/train/{n}.jpg' for n in choose(NAMES, rule)]
    assert paths(dataset) == expected and len(expected) == 3
    first = NYUDepthDataset(root, subset=rule, indices=1)
    assert paths(first) == expected[:1]
    again = NYUDepthDataset(root, subset=rule, indices=[0, 0, 2])
    assert paths(again) == [expected[i] for i in (0, 0, 2)]


def test_log_line(root, monkeypatch):
    lines = []
    monkeypatch.setattr(
        chosen,
        'print_log',
        lambda message, logger: lines.append((message, logger)),
    )
    NYUDepthDataset(root, subset=dict(scenes='kitchen'))
    digest = split_digest(NAMES[:4])
    assert lines == [
        (
            f"NYUDepthDataset 'train': 4 of 8 pictures, digest {digest}",
            'current',
        )
    ]


def test_names_of_recordings(root):
    """mmsegmentation's NYU tree: the folder's name, then the frame's."""
    folders = ['cafe_0001a', 'cafe_0001b', 'cafe_0002', 'nyu_office_0'] * 2
    for i, (name, folder) in enumerate(zip(NAMES, folders, strict=True)):
        for kind, end in (('images', 'jpg'), ('annotations', 'png')):
            path = root / f'{kind}/train/{name}.{end}'
            path.rename(path.with_name(f'{folder}_{i:05}.{end}'))
    dataset = NYUDepthDataset(root)
    items = [dataset.get_data_info(i) for i in range(8)]
    assert [(item['scene'], item['room']) for item in items] == [
        *4 * [('cafe', 'cafe_0001')],
        *2 * [('cafe', 'cafe_0002')],
        *2 * [('office', 'nyu_office_0')],
    ]
    assert len(NYUDepthDataset(root, subset=dict(shots=1))) == 2
    rooms = NYUDepthDataset(root, subset=dict(rooms=3))
    assert len({rooms.get_data_info(i)['room'] for i in range(3)}) == 3


def test_files_are_listed_not_opened(root):
    for path in root.glob('*/train/*'):
        path.write_bytes(b'')
    (root / 'images/train/._kitchen_00000.jpg').write_bytes(b'')
    (root / 'images/train/notes.txt').write_bytes(b'')
    assert len(NYUDepthDataset(root)) == 8


def test_missing_root(tmp_path):
    for root in (tmp_path / 'nowhere', '', None):
        with pytest.raises(DataError) as info:
            NYUDepthDataset(root)
        for part in (
            'NYU_ROOT',
            'images/SPLIT/<scene>_<number>.jpg',
        ):
            assert part in str(info.value)
    with pytest.raises(DataError, match='nowhere'):
        NYUDepthDataset(tmp_path / 'nowhere')


def test_lazy_init_waits(tmp_path):
    dataset = NYUDepthDataset(tmp_path / 'nowhere', lazy_init=True)
    with pytest.raises(DataError, match='nowhere'):
        len(dataset)


def test_missing_split(root):
    (root / 'images/test').mkdir()
    with pytest.raises(DataError, match="'val'.*there are test, train;"):
        NYUDepthDataset(root, split='val')


def test_names_without_another_suffix(root, tmp_path):
    for name in NAMES:
        path = root / f'images/train/{name}.jpg'
        path.rename(path.with_name(f'{name}_rgb.jpg'))
    dataset = NYUDepthDataset(root, img_suffix='_rgb.jpg')
    assert dataset.names == sorted(NAMES)
    assert dataset.split_digest == split_digest(NAMES)
    listed = tmp_path / 'list.txt'
    listed.write_text('\n'.join(dataset.names[:3]))
    rule = dict(list_file=str(listed))
    again = NYUDepthDataset(root, img_suffix='_rgb.jpg', subset=rule)
    assert again.names == dataset.names[:3]


def test_empty_split(root):
    (root / 'images/test').mkdir()
    with pytest.raises(DataError, match='is empty.*no files at all'):
        NYUDepthDataset(root, split='test')
    with pytest.raises(DataError, match=r'no \*.bmp.*kitchen_00000.jpg'):
        NYUDepthDataset(root, img_suffix='.bmp')


def test_missing_depth(root):
    for name in NAMES[:6]:
        os.remove(root / f'annotations/train/{name}.png')
    with pytest.raises(DataError) as info:
        NYUDepthDataset(root)
    message = str(info.value)
    assert '6 of 8 samples have no *.png' in message
    lines = message.splitlines()
    assert lines[1:] == [f'  {name}.png' for name in NAMES[:6]]
    # Drawn as if the files were there; then each is an error of its own.
    rule = dict(shots=3, seed=1)
    load = [LoadPicture(), LoadDepth()]
    dataset = NYUDepthDataset(
        root, subset=rule, check_files=False, pipeline=load
    )
    drawn = [f'{root}/images/train/{n}.jpg' for n in choose(NAMES, rule)]
    assert paths(dataset) == drawn
    with pytest.raises(DataError, match='kitchen_.*png: depth map is miss'):
        dataset[0]
    sound = drawn.index(f'{root}/images/train/{NAMES[6]}.jpg')
    assert dataset[sound]['img'].shape == (4, 6, 3)


def test_missing_annotation_folder(root):
    os.rename(root / 'annotations', root / 'depth')
    with pytest.raises(DataError, match=r'8 of 8 .*annotations/train'):
        NYUDepthDataset(root)


def test_missing_picture(root):
    os.remove(root / f'images/train/{NAMES[2]}.jpg')
    with pytest.raises(DataError, match=f'1 of 8 .*{NAMES[2]}.jpg'):
        NYUDepthDataset(root)


def test_empty_subset(root):
    rule = dict(evenly_spaced=8, complement=True)
    with pytest.raises(DataError, match="none of the 8 .*split 'train'"):
        NYUDepthDataset(root, subset=rule)


def test_malformed_arguments(tmp_path):
    with pytest.raises(ConfigError, match="no key 'shot'"):
        NYUDepthDataset(tmp_path, subset=dict(shot=1), lazy_init=True)
    for key, value in (('ann_file', 'a.txt'), ('data_prefix', dict(a='b'))):
        with pytest.raises(ConfigError, match=f"'{key}'.*list_file"):
            NYUDepthDataset(tmp_path, lazy_init=True, **{key: value})


@pytest.mark.parametrize('test_mode', [True, False])
def test_no_sample_is_replaced(root, test_mode):
    (root / f'images/train/{NAMES[4]}.jpg').write_bytes(b'no picture')
    dataset = NYUDepthDataset(
        root, pipeline=[LoadPicture()], test_mode=test_mode, max_refetch=1000
    )
    with pytest.raises(DataError, match=NAMES[4]):
        dataset[4]
    calls = []
    silent = NYUDepthDataset(
        root, pipeline=[calls.append], test_mode=test_mode, max_refetch=1000
    )
    with pytest.raises(DataError, match=f'{NAMES[1]}.*gave None'):
        ConcatDataset([silent])[1]
    assert len(calls) == 1
