"""Hashes, damaged files, the cache, and what others read of a subset."""

import pickle

import mmseg.datasets  # noqa: F401  (registers PackSegInputs)
import numpy as np
import pytest
from mmcv.transforms import BaseTransform
from torch.utils.data import DataLoader

from llm_mde_mm.datasets import NYUDepthDataset, SeededSampler
from llm_mde_mm.datasets.shared_set import SharedSet
from llm_mde_mm.datasets.splits import split_digest
from llm_mde_mm.utils.errors import ConfigError, DataError
from tests.datasets.conftest import ROOMS

NAMES = sorted(ROOMS)
LOAD = [dict(type='LoadPicture'), dict(type='LoadDepth')]
TRAIN = [
    *LOAD,
    dict(type='ResizePair', size=(16, 20)),
    dict(type='RandomCropPair'),
    dict(type='ResizePair', size=(16, 20)),
    dict(type='RandomHorizontalFlip'),
    dict(type='RandomRotatePair'),
    dict(type='VerticalCutDepth'),
    dict(type='ColourJitter'),
    dict(type='PackSegInputs'),
]


def other_pixels(path):
    """A sound JPEG of the same size, so that no decoder complains."""
    import cv2

    image = cv2.imread(str(path))
    data = cv2.imencode('.jpg', 255 - image)[1].tobytes()
    path.write_bytes(data)


def values(item):
    depth = item['data_samples'].gt_depth_map.data
    return item['inputs'].numpy().tobytes(), depth.numpy().tobytes()


def test_items_of_a_manifest(prepared):
    item = NYUDepthDataset(prepared).get_data_info(0)
    assert item['room'] == 'kitchen_0000' and item['name'] == NAMES[0]
    assert len(item['image_sha256']) == len(item['depth_sha256']) == 64
    bare = NYUDepthDataset(prepared, check_hashes=False).get_data_info(0)
    assert 'image_sha256' not in bare


def test_there_is_no_picture_behind_the_last(prepared):
    dataset = NYUDepthDataset(prepared)
    assert len([*dataset]) == len(dataset)
    for place in (len(dataset), -len(dataset) - 1):
        with pytest.raises(IndexError, match=f'picture {place} of'):
            dataset[place]


def test_a_changed_file_raises_once_and_for_all_workers(prepared):
    path = prepared / f'images/train/{NAMES[3]}.jpg'
    other_pixels(path)
    dataset = NYUDepthDataset(prepared, pipeline=LOAD)
    for _ in range(2):
        with pytest.raises(DataError, match=f'{path}: picture .*SHA-256'):
            dataset[3]
    loader = DataLoader(dataset, batch_size=None, num_workers=2)
    with pytest.raises(DataError, match=str(path)):
        list(loader)
    assert NYUDepthDataset(prepared, check_hashes=False, pipeline=LOAD)[3]


def test_each_file_is_hashed_once_a_run(prepared):
    dataset = NYUDepthDataset(prepared, pipeline=LOAD)
    loader = DataLoader(dataset, batch_size=None, num_workers=2)
    assert len(list(loader)) == 12
    # The workers' first reads count for this process too.
    assert 'image_sha256' not in dataset.get_data_info(5)
    other_pixels(prepared / f'images/train/{NAMES[5]}.jpg')
    assert dataset[5]['img'].shape == (24, 32, 3)


def test_a_shared_set_survives_pickling():
    marks = SharedSet(['a', 'b'])
    copy = pickle.loads(pickle.dumps(marks))
    copy.add('b')
    assert 'b' in copy and 'a' not in copy and len(copy) == 1


def test_manifests_of_another_form(prepared):
    manifest = prepared / 'manifest.json'
    manifest.write_text('[{"file": "kitchen_00000"}]')
    dataset = NYUDepthDataset(prepared)
    assert 'room' not in dataset.get_data_info(0)
    with pytest.raises(DataError, match='room of .kitchen_00000.*prepare_nyu'):
        NYUDepthDataset(prepared, subset=dict(rooms=2))
    manifest.write_text('{"items": [')
    with pytest.raises(DataError, match=f'cannot read {manifest}'):
        NYUDepthDataset(prepared)


def test_rooms_of_a_manifest(prepared):
    dataset = NYUDepthDataset(prepared, subset=dict(rooms=3, seed=4))
    items = [dataset.get_data_info(i) for i in range(len(dataset))]
    assert len({item['room'] for item in items}) == len(items) == 3
    with pytest.raises(DataError, match='rooms=5 .* 4 rooms'):
        NYUDepthDataset(prepared, subset=dict(rooms=5))


def test_what_others_read(prepared, monkeypatch):
    lines = []
    monkeypatch.setattr(
        'llm_mde_mm.datasets.chosen.print_log',
        lambda message, logger: lines.append(message),
    )
    dataset = NYUDepthDataset(prepared, subset=dict(shots=2), lazy_init=True)
    chosen = [n for n in NAMES if n in str(paths(dataset))]
    assert dataset.split_digest == split_digest(chosen)
    assert dataset.split_digest in lines[0]
    assert dataset.subset == dict(shots=2)
    first = NYUDepthDataset(prepared, subset=dict(shots=2), indices=1)
    assert first.split_digest == split_digest(chosen[:1])


def paths(dataset):
    return [dataset.get_data_info(i)['img_path'] for i in range(len(dataset))]


def test_types_with_fewer_are_in_the_log(prepared, monkeypatch):
    for name in NAMES[8:]:
        for path in prepared.glob(f'*/train/{name}.*'):
            path.unlink()
    lines = []
    monkeypatch.setattr(
        'llm_mde_mm.datasets.chosen.print_log',
        lambda message, logger: lines.append(message),
    )
    NYUDepthDataset(prepared, subset=dict(shots=3))
    assert lines[0].endswith('; fewer than 3 of: study 2')
    NYUDepthDataset(prepared, subset=dict(shots=2))
    assert 'fewer' not in lines[1]


class TestMaxDamaged:
    @pytest.fixture
    def damaged(self, prepared):
        for place in (2, 3, 7):
            path = prepared / f'images/train/{NAMES[place]}.jpg'
            path.write_bytes(path.read_bytes()[:40])
        return prepared

    def test_raises_by_default(self, damaged):
        with pytest.raises(DataError, match=f'{NAMES[2]}.*truncated'):
            NYUDepthDataset(damaged, pipeline=LOAD)[2]

    def test_the_next_sound_one_takes_its_place(self, damaged, monkeypatch):
        lines = []
        monkeypatch.setattr(
            'llm_mde_mm.datasets.chosen.print_log',
            lambda message, **kwargs: lines.append(message),
        )
        dataset = NYUDepthDataset(damaged, pipeline=LOAD, max_damaged=3)
        del lines[:]
        names = [dataset[i]['name'] for i in (1, 2, 3, 7, 2)]
        assert names == [NAMES[i] for i in (1, 4, 4, 8, 4)]
        assert len(lines) == 3 and '1 of at most 3' in lines[0]
        assert all(NAMES[i] in lines[k] for k, i in enumerate((2, 3, 7)))

    @pytest.mark.parametrize('workers', [0, 2])
    def test_one_more_raises(self, damaged, workers):
        dataset = NYUDepthDataset(damaged, pipeline=LOAD, max_damaged=2)
        loader = DataLoader(dataset, batch_size=None, num_workers=workers)
        with pytest.raises(DataError, match='3 damaged.*max_damaged=2'):
            list(loader)

    def test_not_for_testing(self, damaged):
        for key in ('max_damaged', 'cache_mb'):
            with pytest.raises(ConfigError, match=f'{key}=1: a score'):
                NYUDepthDataset(damaged, test_mode=True, **{key: 1})
            with pytest.raises(ConfigError, match=f'{key} must be 0'):
                NYUDepthDataset(damaged, **{key: -1})


def epochs(dataset, workers=0, persistent=False, ranks=1, seed=3):
    """Values by (epoch, picture), of all ranks together."""
    found = {}
    for rank in range(ranks):
        sampler = SeededSampler(dataset, seed=seed)
        sampler.rank, sampler.world_size = rank, ranks
        sampler.num_samples = -(-len(dataset) // ranks)
        sampler.total_size = sampler.num_samples * ranks
        loader = DataLoader(
            dataset,
            sampler=sampler,
            num_workers=workers,
            batch_size=None,
            persistent_workers=persistent,
        )
        for epoch in (0, 1):
            sampler.set_epoch(epoch)
            for item in loader:
                name = item['data_samples'].img_path
                found[epoch, name] = values(item)
    return found


@pytest.mark.parametrize(
    ('workers', 'persistent', 'ranks'),
    [(0, False, 2), (2, False, 1), (2, True, 1), (2, True, 2)],
)
@pytest.mark.parametrize('cache_mb', [0, 0.01, 1])
def test_draws_depend_on_seed_epoch_and_picture_alone(
    prepared, workers, persistent, ranks, cache_mb
):
    expected = epochs(NYUDepthDataset(prepared, pipeline=TRAIN))
    assert len(expected) == len(set(expected.values())) == 24
    dataset = NYUDepthDataset(prepared, pipeline=TRAIN, cache_mb=cache_mb)
    assert epochs(dataset, workers, persistent, ranks) == expected
    other = epochs(NYUDepthDataset(prepared, pipeline=TRAIN), seed=4)
    assert not set(other.values()) & set(expected.values())


class Spoil(BaseTransform):
    """Write into the arrays that it is given."""

    def transform(self, results):
        results['img'][:] = 0
        results['gt_depth_map'][:] = 0
        return results


def test_cache_keeps_the_head_alone_and_whole(prepared):
    dataset = NYUDepthDataset(prepared, pipeline=[*TRAIN[:3], Spoil()])
    cached = NYUDepthDataset(
        prepared, pipeline=[*TRAIN[:3], Spoil()], cache_mb=1
    )
    head = cached.pipeline.transforms[0]
    assert [type(step).__name__ for step in head.steps] == [
        'LoadPicture',
        'LoadDepth',
        'ResizePair',
    ]
    for i in (0, 1, 0):
        assert cached[i].keys() == dataset[i].keys()
    size = 16 * 20 * (3 + 4)
    assert head.kept_bytes == 2 * size
    item = head(cached.get_data_info(0))
    fresh = NYUDepthDataset(prepared, pipeline=TRAIN[:3])[0]
    np.testing.assert_array_equal(item['img'], fresh['img'])
    np.testing.assert_array_equal(item['gt_depth_map'], fresh['gt_depth_map'])
    # Kept in memory: the file is not read again.
    (prepared / f'images/train/{NAMES[0]}.jpg').unlink()
    assert head(cached.get_data_info(0))['img'].any()


def test_cache_is_bounded(prepared):
    dataset = NYUDepthDataset(prepared, pipeline=TRAIN[:3], cache_mb=0.01)
    for i in range(12):
        dataset[i]
    head = dataset.pipeline.transforms[0]
    assert head.kept_bytes == 4 * 16 * 20 * 7 <= 0.01 * 2**20


def test_cache_of_a_pipeline_that_begins_at_random(prepared):
    with pytest.raises(ConfigError, match='cache_mb.*LoadPicture'):
        NYUDepthDataset(prepared, pipeline=TRAIN[5:], cache_mb=1)
