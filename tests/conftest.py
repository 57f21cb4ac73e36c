import copy
import os

# Before transformers is imported: no test may reach for the hub.
os.environ['HF_HUB_OFFLINE'] = '1'

import pytest  # noqa: E402
import torch  # noqa: E402
from mmengine.registry import init_default_scope  # noqa: E402
from mmseg.registry import MODELS  # noqa: E402

import llm_mde_mm  # noqa: E402, F401

# Tensors this small cost more to share among threads than to compute.
torch.set_num_threads(1)

TINY_VIT = dict(
    type='TimmViT',
    model_name='vit_tiny_patch16_224',
    img_size=(32, 48),
    model_kwargs=dict(embed_dim=24, depth=2, num_heads=2),
    lora=dict(rank=2, alpha=4),
)
TINY_BERT = dict(
    type='HFLanguageModel',
    config=dict(
        model_type='bert',
        hidden_size=32,
        intermediate_size=64,
        num_attention_heads=4,
        num_hidden_layers=2,
        max_position_embeddings=96,
    ),
    lora=dict(rank=2, alpha=4),
)
TINY_BACKBONE = dict(
    type='LLMDepthBackbone',
    vision=TINY_VIT,
    language=TINY_BERT,
    prototypes=dict(type='TextPrototypes', num_prototypes=7),
    reprogramming=dict(type='CrossModalReprogramming', num_heads=4),
    prompt=dict(type='PromptGenerator', mode='adaptive'),
)
TINY_HEAD = dict(
    type='AdaptationHead',
    in_channels=16,
    channels=(8, 8, 8),
    norm_cfg=dict(type='GN', num_groups=2),
    loss_decode=[
        dict(type='ScaleShiftInvariantLoss'),
        dict(type='ScaleInvariantLogLoss'),
    ],
)
TINY_MODEL = dict(
    type='LLMDepthEstimator',
    data_preprocessor=dict(
        type='DepthPreprocessor', model_name=TINY_VIT['model_name']
    ),
    backbone=TINY_BACKBONE,
    neck=dict(type='APGFusion', channels=16, num_heads=4),
    decode_head=TINY_HEAD,
)


def _factory(base):
    """Build a copy of a config; 'a__b=c' sets its key b of a to c."""

    def make(**changes):
        cfg = copy.deepcopy(base)
        for path, value in changes.items():
            *parents, last = path.split('__')
            place = cfg
            for key in parents:
                place = place[key]
            place[last] = value
        return cfg

    return make


@pytest.fixture(autouse=True)
def _seed_and_scope():
    init_default_scope('mmseg')
    torch.manual_seed(0)


@pytest.fixture(scope='session')
def tiny_vit_cfg():
    return _factory(TINY_VIT)


@pytest.fixture(scope='session')
def tiny_language_cfg():
    return _factory(TINY_BERT)


@pytest.fixture(scope='session')
def tiny_backbone_cfg():
    return _factory(TINY_BACKBONE)


@pytest.fixture(scope='session')
def tiny_head_cfg():
    return _factory(TINY_HEAD)


@pytest.fixture(scope='session')
def tiny_model_cfg():
    """Config of a whole model of some 100 thousand parameters."""
    return _factory(TINY_MODEL)


@pytest.fixture
def build():
    return MODELS.build


@pytest.fixture
def fill_lora():
    """Give LoRA's B, 0 at the start, random values, so that it acts."""

    def fill(module):
        with torch.no_grad():
            for name, parameter in module.named_parameters():
                if 'lora_B' in name:
                    parameter.normal_()
        return module

    return fill
