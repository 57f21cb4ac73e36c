import importlib.util
from pathlib import Path

import pytest
import torch


@pytest.fixture
def make_case():
    """Random prediction and ground truth (H, W) with holes, by seed."""

    def make(seed, height=37, width=53):
        generator = torch.Generator().manual_seed(seed)
        gt = 0.4 + 8 * torch.rand(height, width, generator=generator)
        noise = torch.randn(height, width, generator=generator)
        pred = (gt * torch.exp(0.3 * noise)).clamp(0.05, 9.9)
        gt[torch.rand(height, width, generator=generator) < 0.2] = 0
        return pred, gt

    return make


@pytest.fixture
def make_sample():
    """One picture as MMEngine's Evaluator hands it to a metric."""

    def make(pred, gt, name='a.jpg'):
        return dict(
            pred_depth_map=dict(data=pred[None]),
            gt_depth_map=dict(data=gt[None]),
            img_path=name,
        )

    return make


@pytest.fixture(scope='session')
def load_beside():
    """Import a helper of this folder, which is no package, by its name."""

    def load(name):
        path = Path(__file__).with_name(f'{name}.py')
        spec = importlib.util.spec_from_file_location(f'helper_{name}', path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load
