"""Draws are a function of (seed, epoch, index) (RELIABILITY 12)."""

import random

import numpy as np
import pytest
import torch
from mmcv.transforms import BaseTransform
from mmengine.dataset import ConcatDataset, RepeatDataset
from torch.utils.data import DataLoader

from llm_mde_mm.datasets import SeededDataset, SeededSampler
from llm_mde_mm.utils.seeding import seeded


class Draw(BaseTransform):
    """Three numbers, one of each generator."""

    def transform(self, results):
        return dict(
            index=results['sample_idx'],
            drawn=(
                random.random(),
                float(np.random.rand()),
                float(torch.rand(())),
            ),
        )


class Numbers(SeededDataset):
    def load_data_list(self):
        return [{} for _ in range(6)]


def draws(dataset, epoch, seed=3, workers=0):
    sampler = SeededSampler(dataset, seed=seed)
    sampler.set_epoch(epoch)
    items = DataLoader(
        dataset, sampler=sampler, num_workers=workers, batch_size=None
    )
    return {item['index']: tuple(item['drawn']) for item in items}


def test_repeated_under_one_seed_and_fresh_in_every_epoch():
    dataset = Numbers(pipeline=[Draw()])
    first = draws(dataset, epoch=0)
    assert len(set(first.values())) == 6
    assert draws(dataset, epoch=0) == first
    assert set(draws(dataset, epoch=1).values()).isdisjoint(first.values())
    assert set(draws(dataset, 0, seed=4).values()).isdisjoint(first.values())


@pytest.mark.parametrize('workers', [1, 2])
def test_workers_do_not_change_them(workers):
    dataset = Numbers(pipeline=[Draw()])
    expected = draws(dataset, epoch=5)
    assert draws(dataset, epoch=5, workers=workers) == expected


def test_persistent_workers_learn_of_the_next_epoch():
    dataset = Numbers(pipeline=[Draw()])
    sampler = SeededSampler(dataset, seed=3)
    loader = DataLoader(
        dataset,
        sampler=sampler,
        num_workers=1,
        batch_size=None,
        persistent_workers=True,
    )
    for epoch in (0, 1):
        sampler.set_epoch(epoch)
        got = {item['index']: tuple(item['drawn']) for item in loader}
        assert got == draws(Numbers(pipeline=[Draw()]), epoch)


def test_concatenated_data_sets_are_told():
    parts = ConcatDataset([Numbers(pipeline=[Draw()]) for _ in range(2)])
    assert draws(parts, epoch=2) == draws(Numbers(pipeline=[Draw()]), epoch=2)


def test_repeats_of_a_picture_differ():
    repeated = RepeatDataset(Numbers(pipeline=[Draw()]), times=2)
    sampler = SeededSampler(repeated, seed=3)
    items = DataLoader(repeated, sampler=sampler, batch_size=None)
    assert len({tuple(item['drawn']) for item in items}) == 12


def test_test_mode_and_the_callers_state_are_left_alone():
    dataset = Numbers(pipeline=[Draw()], test_mode=True)
    dataset.set_epoch(0, 0)
    np.random.seed(0)
    expected = np.random.rand(3)
    np.random.seed(0)
    with seeded(1, 2):
        np.random.rand()
    assert np.random.rand() == expected[0]
    assert dataset[0]['drawn'][1] == expected[1]


def test_an_error_inside_restores_the_state_too():
    state = random.getstate()
    with pytest.raises(ZeroDivisionError), seeded(1):
        1 / 0  # noqa: B018
    assert random.getstate() == state


@pytest.mark.parametrize('workers', [0, 2])
def test_a_pass_may_start_later_once(workers):
    dataset = Numbers(pipeline=[Draw()])
    sampler = SeededSampler(dataset, seed=3)
    loader = DataLoader(
        dataset,
        sampler=sampler,
        num_workers=workers,
        batch_size=2,
        persistent_workers=workers > 0,
    )
    whole = [batch['index'].tolist() for batch in loader]
    sampler.start_at(4)
    assert len(loader) == 3
    assert [batch['index'].tolist() for batch in loader] == whole[2:]
    assert [batch['index'].tolist() for batch in loader] == whole
