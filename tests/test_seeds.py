"""One seed decides all that is random."""

import copy
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmseg.registry import DATASETS

from llm_mde_mm.apis.launch import build_runner, load_config
from llm_mde_mm.utils.seeding import seed_everything, share_seed
from tests.datasets.conftest import prepared as prepared
from tests.engine.training import config

NYU = 'configs/llm_mde_nyu_fewshot.py'


def subsets(cfg):
    return [
        cfg[f'{split}_dataloader'].dataset.subset for split in ('train', 'val')
    ]


@pytest.mark.parametrize(
    ('options', 'seed'),
    [
        ({}, 0),
        ({'randomness.seed': 3}, 3),
        ({'randomness.seed': 3, 'train_dataloader.dataset.subset.seed': 8}, 8),
    ],
)
def test_the_few_shot_draw_follows_it(options, seed):
    train, val = subsets(load_config(NYU, options))
    assert train.seed == seed
    assert val.seed == options.get('randomness.seed', 0)


def test_a_config_that_inherits_decides_too(tmp_path):
    leaf = tmp_path / 'leaf.py'
    leaf.write_text(
        f"_base_ = '{Path(NYU).resolve()}'\n"
        'randomness = dict(seed=4)\n'
        'train_dataloader = dict(dataset=dict(subset=dict(seed=9)))\n'
    )
    train, val = subsets(load_config(str(leaf)))
    assert (train.seed, val.seed) == (9, 4)


def test_nested_data_sets_and_rules():
    rule = dict(list_file='a.txt', then=dict(shots=2, then=dict(shots=1)))
    cfg = Config(
        dict(
            randomness=dict(seed=7),
            train_dataloader=dict(
                dataset=dict(
                    type='ConcatDataset',
                    datasets=[dict(subset=rule), dict(subset=dict(seed=1))],
                )
            ),
        )
    )
    share_seed(cfg)
    first, second = cfg.train_dataloader.dataset.datasets
    assert first.subset.then.seed == first.subset.then.then.seed == 7
    assert 'seed' not in first.subset
    assert second.subset.seed == 1


def test_a_draw_of_rooms_follows_it(prepared):
    folder = dict(type='NYUDepthDataset', data_root=prepared)
    sets = []
    for seed in range(4):
        cfg = Config(
            dict(
                randomness=dict(seed=seed),
                train_dataloader=dict(
                    dataset=dict(folder, subset=dict(rooms=2))
                ),
            )
        )
        share_seed(cfg)
        rooms = DATASETS.build(cfg.train_dataloader.dataset)
        rule = dict(rooms=2, seed=seed)
        drawn = DATASETS.build(dict(folder, subset=rule))
        assert rooms.split_digest == drawn.split_digest
        sets.append(rooms.split_digest)
    assert len(set(sets)) > 1


def draws(tmp_path, seed):
    """Initial weights, order, augmented picture, and a step's dropout."""
    runner = build_runner(config(tmp_path, **{'randomness.seed': seed}))
    loader = runner.train_dataloader
    order = list(loader.sampler)
    picture = next(iter(loader))['inputs'][0]
    seed_everything(runner.seed, 0, 0, 1)
    return runner.model.state_dict(), order, picture, torch.rand(5)


def test_weights_order_augmentation_and_dropout_follow_it(tmp_path):
    first, again, other = (draws(tmp_path, seed) for seed in (0, 0, 1))
    for key, value in first[0].items():
        assert torch.equal(value, again[0][key])
    assert first[1] == again[1] != other[1]
    assert torch.equal(first[2], again[2])
    assert not torch.equal(first[2], other[2])
    assert torch.equal(first[3], again[3])
    assert not torch.equal(first[3], other[3])
    name = 'decode_head.out.weight'
    assert not torch.equal(first[0][name], other[0][name])


def test_the_config_that_a_runner_is_built_from_is_left_alone(tmp_path):
    cfg = config(tmp_path)
    before = copy.deepcopy(cfg.to_dict())
    build_runner(cfg)
    assert cfg.to_dict() == before
