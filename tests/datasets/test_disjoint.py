"""Training starts only where the test set shares no picture."""

import shutil

import pytest
from mmengine.dataset import ConcatDataset, RepeatDataset
from torch.utils.data import DataLoader

from llm_mde_mm.apis import launch
from llm_mde_mm.datasets import (
    DepthFolderDataset,
    NYUDepthDataset,
    SyntheticRooms,
)
from llm_mde_mm.datasets.disjoint import check_disjoint, shared_pictures
from llm_mde_mm.utils.errors import DataError
from tests.datasets.conftest import ROOMS, write_manifest, write_sample
from tests.tools.conftest import ROOT

NAMES = sorted(ROOMS)


def nyu(root, split='train', **kwargs):
    return NYUDepthDataset(root, split=split, **kwargs)


def test_sound_splits(prepared):
    check_disjoint(dict(train=nyu(prepared), test=nyu(prepared, 'test')))


def test_one_file_by_two_ways(prepared, tmp_path_factory):
    link = tmp_path_factory.mktemp('link') / 'nyu'
    link.symlink_to(prepared)
    (prepared / 'manifest.json').unlink()
    folder = DepthFolderDataset(
        link,
        image_glob='images/train/*.jpg',
        depth_glob='annotations/train/*.png',
        depth_scale=0.001,
        subset=dict(evenly_spaced=3),
    )
    shared = shared_pictures(nyu(prepared), folder)
    assert shared == [
        f'{prepared}/images/train/{NAMES[i]}.jpg' for i in (0, 4, 8)
    ]


def test_one_content_under_two_names(prepared, tmp_path_factory):
    other = tmp_path_factory.mktemp('other')
    item = write_sample(other, 'test', 'cafe_00001', seed=2)
    write_manifest(other, [item])
    with pytest.raises(
        DataError, match=f'1 pictures of the train .*{NAMES[2]}'
    ):
        check_disjoint(dict(train=nyu(prepared), test=nyu(other, 'test')))
    (other / 'manifest.json').unlink()  # no hash, another file: unseen
    assert shared_pictures(nyu(prepared), nyu(other, 'test')) == []


def test_one_name_in_other_encoding(prepared, tmp_path_factory):
    other = tmp_path_factory.mktemp('other')
    item = write_sample(other, 'test', NAMES[4], seed=999)
    write_manifest(other, [item])
    shared = shared_pictures(nyu(other, 'test'), nyu(prepared))
    assert shared == [f'{other}/images/test/{NAMES[4]}.jpg']


def test_one_name_in_another_set(prepared, tmp_path_factory):
    other = tmp_path_factory.mktemp('other')
    item = write_sample(other, 'test', NAMES[4], seed=999)
    # As tools/prepare_public.py says where its pictures are from.
    write_manifest(other, [dict(item, set='seven_scenes')])
    assert shared_pictures(nyu(other, 'test'), nyu(prepared)) == []
    assert len(shared_pictures(nyu(other, 'test'), nyu(other, 'test'))) == 1


@pytest.mark.parametrize('lost', ['name', 'image_sha256'])
def test_manifests_that_tell_less(prepared, tmp_path_factory, lost):
    other = tmp_path_factory.mktemp('other')
    items = [
        write_sample(other, 'test', name, seed=999) for name in NAMES[4:6]
    ]
    for item in items:
        item[lost] = None
    write_manifest(other, items)
    test = nyu(other, 'test')
    assert shared_pictures(test, nyu(prepared)) == []
    assert len(shared_pictures(test, test)) == 2
    for item in items:
        del item[lost]
    write_manifest(other, items)
    assert shared_pictures(nyu(other, 'test'), nyu(prepared)) == []


def test_wrapped_data_sets(prepared):
    test = nyu(prepared, 'test')
    both = ConcatDataset([nyu(prepared), nyu(prepared, 'test', indices=1)])
    assert len(shared_pictures(both, test)) == 1
    assert len(shared_pictures(RepeatDataset(test, 2), both)) == 1
    assert shared_pictures(object(), test) == []


def test_rendered_rooms():
    one = SyntheticRooms(num_rooms=5)
    assert len(shared_pictures(one, SyntheticRooms(5, first_index=3))) == 2
    assert shared_pictures(one, SyntheticRooms(5, seed=1)) == []
    assert one.split_digest != SyntheticRooms(5, first_index=5).split_digest


@pytest.fixture
def cfg(prepared, monkeypatch):
    monkeypatch.setenv('NYU_ROOT', str(prepared))
    cfg = launch.load_config(str(ROOT / 'configs/llm_mde_nyu_fewshot.py'))
    cfg.val_dataloader.dataset.subset.then.evenly_spaced = 3
    return cfg


def test_at_the_start_of_training(cfg, prepared, capsys):
    launch.check_data(cfg, ('train', 'val'))
    cfg.test_dataloader.dataset.split = 'train'
    with pytest.raises(DataError, match='2 pictures of the train set .* test'):
        launch.check_data(cfg, ('train', 'val'))
    launch.check_data(cfg, ('test',))


def test_an_error_in_a_worker_is_told_as_in_the_process(prepared):
    path = prepared / f'images/train/{NAMES[1]}.jpg'
    path.write_bytes(b'')
    dataset = nyu(prepared, pipeline=[dict(type='LoadPicture')])
    loader = DataLoader(dataset, batch_size=None, num_workers=1)
    with pytest.raises(SystemExit) as info:
        launch.run_tool(lambda: list(loader))
    assert info.value.code == (
        f'DataError: {path}: picture is empty (0 bytes); copy it again'
    )


def test_without_a_test_set(cfg, prepared, monkeypatch):
    lines = []
    monkeypatch.setattr(
        'llm_mde_mm.apis.launch.print_log',
        lambda message, **kwargs: lines.append(message),
    )
    shutil.rmtree(prepared / 'images/test')
    launch.check_data(cfg, ('train', 'val'))
    assert lines[0].startswith('not checked') and 'test' in lines[0]


def test_validation_on_what_is_trained_is_told(cfg, monkeypatch):
    lines = []
    monkeypatch.setattr(
        'llm_mde_mm.datasets.disjoint.print_log',
        lambda message, **kwargs: lines.append(message),
    )
    cfg.val_dataloader.dataset.subset = dict(shots=1)
    launch.check_data(cfg, ('train', 'val'))
    assert lines[0].startswith('2 pictures of the train set are in the val')


def test_concatenated_data_in_a_config(cfg):
    part = dict(cfg.train_dataloader.dataset)
    cfg.train_dataloader.dataset = dict(
        type='ConcatDataset',
        datasets=[dict(part, subset=dict(scenes=s)) for s in ('study',) * 2],
    )
    cfg.val_dataloader = None
    launch.check_data(cfg, ('train', 'val'))
