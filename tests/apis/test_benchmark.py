import copy

import pytest
import torch
from mmengine.config import Config

from llm_mde_mm.apis.benchmark import PARTS, Settings, benchmark
from llm_mde_mm.utils.errors import ConfigError

KEYS = {
    'latency_p50_s',
    'latency_p95_s',
    'images_per_s',
    'peak_memory_bytes',
    'params',
    'trained_params',
    'flops',
    'parts',
    'floor_latency_p50_s',
    'floor_ratio',
}


@pytest.fixture
def cfg(tiny_model_cfg):
    return Config(
        dict(
            model=tiny_model_cfg(),
            optim_wrapper=dict(optimizer=dict(type='AdamW', lr=1e-3)),
            test_dataloader=dict(
                dataset=dict(
                    pipeline=[
                        dict(type='ResizePicture', size=(32, 48)),
                        dict(type='PackSegInputs'),
                    ]
                )
            ),
        )
    )


@pytest.mark.parametrize('train', [False, True])
@pytest.mark.parametrize('dtype', ['fp32', 'bf16'])
def test_the_figures_hang_together(cfg, build, train, dtype):
    settings = Settings((40, 60), 3, dtype, train=train, repeats=3)
    figures = benchmark(cfg, settings, floor=True)
    assert set(figures) == KEYS
    model = build(copy.deepcopy(cfg.model))
    every = list(model.parameters())
    assert figures['params'] == sum(p.numel() for p in every)
    assert figures['trained_params'] == sum(
        p.numel() for p in every if p.requires_grad
    )
    assert 0 < figures['latency_p50_s'] <= figures['latency_p95_s']
    assert figures['images_per_s'] == pytest.approx(
        3 / figures['latency_p50_s']
    )
    assert figures['floor_ratio'] == pytest.approx(
        figures['latency_p50_s'] / figures['floor_latency_p50_s']
    )
    assert set(figures['parts']) == {*PARTS, 'rest'}
    assert sum(figures['parts'].values()) == pytest.approx(1)
    assert all(0 <= share < 1 for share in figures['parts'].values())
    assert figures['parts']['backbone.vision'] > 0
    # A process with torch in it and nothing else has some hundred megabytes.
    assert 5e7 < figures['peak_memory_bytes'] < 1e11


def test_flops_of_a_prediction(cfg):
    """The bulk of them, counted by hand: two for each weight and token."""
    cfg.model.backbone.prompt.mode = 'none'
    got = benchmark(cfg, Settings((32, 48), 4, repeats=1))['flops']
    per_vit_block = 24 * 24 * (3 + 1 + 4 + 4)
    per_bert_layer = 32 * 32 * 4 + 2 * 32 * 64
    tokens, patches = 4 * 7, 4 * 6
    vision = 2 * tokens * 2 * per_vit_block + 2 * patches * 768 * 24
    language = 2 * patches * 2 * per_bert_layer
    assert vision + language < got < 2.5 * (vision + language)


@pytest.mark.parametrize(
    'settings, message',
    [
        (Settings(dtype='int8'), 'dtype is .int8'),
        (Settings(dtype='fp16', train=True), 'take bf16'),
        (Settings(batch_size=0), 'batch_size is 0'),
        (Settings(repeats=0), 'repeats is 0'),
        (Settings(picture_size=(0, 5)), 'no pixels'),
    ],
)
def test_wrong_settings(cfg, settings, message):
    with pytest.raises(ConfigError, match=message):
        benchmark(cfg, settings)


def test_compiled_in_one_graph_each(cfg, monkeypatch):
    """With a backend that compiles nothing, to save the time."""
    modules = []
    compile_ = torch.nn.Module.compile

    def eager(self, *args, **kwargs):
        modules.append(type(self).__name__)
        compile_(self, backend='eager', fullgraph=True)

    monkeypatch.setattr(torch.nn.Module, 'compile', eager)
    benchmark(cfg, Settings((32, 48), 2, compile=True, repeats=1))
    assert modules == ['LLMDepthBackbone', 'APGFusion', 'AdaptationHead']
