import copy

import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS

from llm_mde_mm.apis import benchmark_jobs
from llm_mde_mm.apis.benchmark import Settings, benchmark
from llm_mde_mm.apis.benchmark_meters import PARTS
from llm_mde_mm.models import AdaptationHead
from llm_mde_mm.utils.errors import ConfigError

KEYS = {
    'device',
    'resizing_timed',
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
    low = {'dtype_difference'} if dtype == 'bf16' and not train else set()
    assert set(figures) == KEYS | low
    if not torch.cuda.is_available():
        assert figures['device'] == 'cpu'
        assert figures['resizing_timed'] == (not train)
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
    assert vision + language < got < 3.5 * (vision + language)


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


@pytest.mark.parametrize('train', [False, True])
def test_compiled_in_one_graph_each(cfg, monkeypatch, train):
    """With a backend that compiles nothing, to save the time."""
    modules = []
    compile_ = torch.nn.Module.compile

    def eager(self, *args, **kwargs):
        modules.append(type(self).__name__)
        compile_(self, backend='eager', fullgraph=True)

    monkeypatch.setattr(torch.nn.Module, 'compile', eager)
    settings = Settings((32, 48), 2, compile=True, train=train, repeats=1)
    benchmark(cfg, settings, floor=train)
    floor = ['TimmViT', 'HFLanguageModel'] if train else []
    model = ['LLMDepthBackbone', 'APGFusion', 'AdaptationHead']
    assert modules == model + floor


class BareHead(AdaptationHead):
    """Reads the backbone's own map, where there is no neck."""

    def logits(self, features):
        return super().logits(features.patch_map)


@pytest.mark.parametrize('train', [False, True])
@pytest.mark.parametrize('neck', [True, False])
def test_a_model_without_language_or_neck(cfg, train, neck, monkeypatch):
    vision = cfg.model.backbone.vision
    cfg.model.backbone = dict(type='VisionDepthBackbone', vision=vision)
    if not neck:
        cfg.model.neck = None
        cfg.model.decode_head.update(type=BareHead, in_channels=24)
    monkeypatch.setattr(
        torch.nn.Module, 'compile', lambda part: compiled.append(part)
    )
    compiled = []
    settings = Settings((32, 48), 2, compile=True, train=train, repeats=1)
    figures = benchmark(cfg, settings, floor=True)
    names = {'data_preprocessor', 'backbone.vision', 'decode_head', 'rest'}
    assert set(figures['parts']) == names | ({'neck'} if neck else set())
    assert figures['floor_latency_p50_s'] > 0
    # Backbone and head, neck, and the ViT of the floor.
    assert len(compiled) == 3 + neck


def test_the_optimizer_is_the_configs(cfg, monkeypatch):
    """Clipped to a length, with its own rate for the vision model."""
    cfg.optim_wrapper = dict(
        type='AmpOptimWrapper',
        loss_scale='dynamic',
        optimizer=dict(type='SGD', lr=1.0),
        clip_grad=dict(max_norm=1e-3),
        paramwise_cfg=dict(custom_keys={'backbone.vision': dict(lr_mult=0)}),
    )
    trained = []
    build_wrapper = benchmark_jobs.build_optim_wrapper

    def record(model, wrapper):
        trained.append((model, copy.deepcopy(model.state_dict())))
        return build_wrapper(model, wrapper)

    monkeypatch.setattr(benchmark_jobs, 'build_optim_wrapper', record)
    benchmark(cfg, Settings((32, 48), 2, train=True, repeats=1), floor=True)
    steps = (5, 2)
    assert len(trained) == 2
    for (model, before), count in zip(trained, steps, strict=True):
        moved = {
            name: (p.detach() - before[name]).norm()
            for name, p in model.named_parameters()
            if p.requires_grad
        }
        still = [name for name in moved if name.startswith('backbone.vision')]
        assert still and not any(moved[name] for name in still)
        length = torch.stack(list(moved.values())).norm()
        assert 0 < length <= count * 1e-3


def test_a_batch_that_is_resized_once_gives_the_same_depth(
    cfg, build, monkeypatch
):
    model = build(copy.deepcopy(cfg.model)).eval()
    resized = []
    pipeline = benchmark_jobs.picture_pipeline(cfg)
    monkeypatch.setattr(
        benchmark_jobs,
        'picture_pipeline',
        lambda _: lambda item: (resized.append(1), pipeline(item))[1],
    )
    depths = []
    for once, want in ((True, 3), (False, 6)):
        settings = Settings((40, 60), 3)
        job = benchmark_jobs.prediction_job(model, cfg, settings, once)
        depths += [torch.stack(job()), torch.stack(job())]
        assert len(resized) == want
        resized.clear()
    assert depths[0].shape == (3, 1, 40, 60)
    for depth in depths[1:]:
        torch.testing.assert_close(depth, depths[0], rtol=0, atol=0)


def test_each_step_is_one_of_the_optimizer(cfg, monkeypatch):
    cfg.optim_wrapper.accumulative_counts = 4
    steps = []
    step = torch.optim.AdamW.step
    monkeypatch.setattr(
        torch.optim.AdamW,
        'step',
        lambda self, *args, **kwargs: steps.append(step(self)),
    )
    settings = Settings((40, 60), 2, train=True)
    model = MODELS.build(cfg.model)
    job = benchmark_jobs.training_job(model, cfg, settings)
    for _ in range(3):
        job()
    assert len(steps) == 3


def test_a_floor_that_trains_nothing(cfg):
    for part in ('vision', 'language'):
        cfg.model.backbone[part].finetune = 'frozen'
    settings = Settings((40, 60), 2, train=True, repeats=1)
    with pytest.raises(ConfigError, match='nothing of this model is trained'):
        benchmark(cfg, settings, floor=True)
