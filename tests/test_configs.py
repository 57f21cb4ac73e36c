"""Every config builds, reads its data and trains all that it should."""

import pytest
import torch
from mmseg.registry import DATASETS, MODELS

from llm_mde_mm.apis import launch
from tests.rooms_tree import SIZE, write_rooms_tree
from tests.tools.conftest import ROOT

# The tables' rows are those of test_table_configs.py, but for one with a
# pipeline of its own; the ridge probe is not trained by gradients.
LEAVES = [
    str(path.relative_to(ROOT))
    for folder in ('configs', 'projects')
    for path in sorted((ROOT / folder).rglob('*.py'))
    if 'configs' in path.parts
    and (
        path.stem == '8_conv_head' or not {'_base_', 'tables'} & {*path.parts}
    )
    and path.stem != 'ridge_probe'
]


@pytest.fixture(scope='module')
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp('nyu')
    # 100 are validated on beside the 27 of the few-shot draw.
    return write_rooms_tree(root, train=135, val=3, test=3)


@pytest.fixture
def load(tree, monkeypatch):
    monkeypatch.setenv('NYU_ROOT', str(tree))
    monkeypatch.setenv('VIT_WEIGHTS', 'random')
    monkeypatch.setenv('LLM_WEIGHTS', 'random')
    monkeypatch.chdir(ROOT)
    return launch.load_config


@pytest.fixture(scope='module')
def seen():
    return set()


def batch(cfg, split, count):
    dataset = DATASETS.build(cfg[f'{split}_dataloader'].dataset)
    items = [dataset[i] for i in range(count)]
    return {key: [item[key] for item in items] for key in items[0]}


@pytest.mark.parametrize('path', LEAVES)
def test_a_config_builds_and_trains_every_trained_parameter(path, load, seen):
    cfg = load(path)
    if str(cfg.model) in seen:
        pytest.skip('the model of a config before it')
    seen.add(str(cfg.model))
    model = MODELS.build(cfg.model)
    data = model.data_preprocessor(batch(cfg, 'train', 2), training=True)
    sum(model(**data, mode='loss').values()).backward()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert torch.isfinite(parameter.grad).all(), name
        else:
            assert parameter.grad is None, name


@pytest.mark.parametrize('path', LEAVES)
def test_a_config_reads_its_data(path, load):
    cfg = load(path)
    size = cfg.model.backbone.vision.img_size
    for split in ('train', 'val', 'test'):
        data = batch(cfg, split, 1)
        assert tuple(data['inputs'][0].shape) == (3, *size)
        depth = data['data_samples'][0].gt_depth_map.data
        # Ground truth is resized for training alone.
        stored = cfg[f'{split}_dataloader'].dataset.get('size', SIZE)
        assert tuple(depth.shape[-2:]) == (
            size if split == 'train' else stored
        )
        assert 0 < depth.max() <= 10


@pytest.mark.parametrize(
    'rank, limit', [(None, 40e6), (8, 6e6)], ids=['full', 'low-rank']
)
def test_what_the_main_config_trains(load, rank, limit):
    cfg = load('configs/llm_mde_nyu_fewshot.py')
    cfg.model.backbone.prototypes.prototype_rank = rank
    model = MODELS.build(cfg.model)
    trained = [p for p in model.parameters() if p.requires_grad]
    mapping = (rank or 30522) * 1000 + (rank or 0) * 30522
    assert mapping < sum(p.numel() for p in trained) <= limit


def test_there_are_configs():
    assert len(LEAVES) >= 8
