"""Runs of a model of 100 thousand parameters on eight rendered rooms."""

import copy
import itertools
import shutil

import pytest
import timm
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmseg.registry import MODELS
from safetensors.torch import save_file

from llm_mde_mm.apis import launch
from tests.conftest import TINY_BERT, TINY_MODEL, TINY_VIT
from tests.tools.conftest import ROOT

SIZE = (32, 48)


@pytest.fixture(scope='session')
def base(tmp_path_factory):
    """Make a folder of a tiny ViT's and a tiny BERT's weights."""

    def make():
        folder = tmp_path_factory.mktemp('weights')
        vit = timm.create_model(
            TINY_VIT['model_name'],
            num_classes=0,
            img_size=SIZE,
            **TINY_VIT['model_kwargs'],
        )
        save_file(vit.state_dict(), folder / 'vit.safetensors')
        cfg = {k: v for k, v in TINY_BERT.items() if k != 'lora'}
        bert = MODELS.build(dict(cfg, finetune='frozen'))
        bert.model.save_pretrained(folder / 'bert')
        bert.tokenizer.save_pretrained(folder / 'bert')
        return folder

    return make


def _config(weights, work_dir, epochs=2, **options):
    cfg = Config.fromfile(ROOT / 'configs/quickstart/rooms.py')
    cfg.model = copy.deepcopy(TINY_MODEL)
    if weights is not None:
        backbone = cfg.model.backbone
        backbone.vision.weights = str(weights / 'vit.safetensors')
        backbone.language = dict(
            type='HFLanguageModel',
            weights=str(weights / 'bert'),
            lora=dict(rank=2, alpha=4),
        )
    for split in ('train', 'val', 'test'):
        loader = cfg[f'{split}_dataloader']
        loader.update(batch_size=2, num_workers=0, persistent_workers=False)
        loader.dataset.update(num_rooms=4, size=SIZE)
    cfg.train_cfg.max_epochs = epochs
    cfg.work_dir = str(work_dir)
    cfg.merge_from_dict(options)
    return cfg


def _train(cfg, **changes):
    cfg = copy.deepcopy(cfg)
    cfg.merge_from_dict(changes)
    # MMEngine keeps one message hub for each name, for good.
    cfg.experiment_name = f'run{next(_numbers)}'
    with pytest.MonkeyPatch.context() as patch:
        # It asks compilers for their versions, for a second.
        patch.setattr(Runner, '_log_env', lambda self, env_cfg: None)
        runner = launch.build_runner(cfg)
    runner.train()
    return runner


_numbers = itertools.count()


@pytest.fixture
def run_cfg(tmp_path):
    """Config of a run; ``weights`` is a folder of ``base``, None: random."""

    def make(weights=None, epochs=2, **options):
        return _config(weights, tmp_path / 'run', epochs, **options)

    return make


@pytest.fixture(scope='session')
def train():
    """Run a config, changed by dotted keys."""
    return _train


@pytest.fixture(scope='session')
def _finished(base, tmp_path_factory):
    init_default_scope('mmseg')
    made = {}
    for kind in ('pretrained', 'random'):
        weights = base() if kind == 'pretrained' else None
        work_dir = tmp_path_factory.mktemp(kind) / 'run'
        runner = _train(_config(weights, work_dir))
        made[kind] = weights, work_dir, runner.model.state_dict()
    return made


@pytest.fixture
def finished(_finished, run_cfg):
    """A copy of a finished run, of two epochs."""

    def copied(kind):
        weights, work_dir, state = _finished[kind]
        cfg = run_cfg(weights)
        shutil.copytree(work_dir, cfg.work_dir)
        return cfg, weights, state

    return copied
