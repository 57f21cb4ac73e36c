from pathlib import Path

import torch
from mmengine.config import Config
from mmseg.registry import MODELS

CONFIGS = Path(__file__).parents[1] / 'configs'


def test_gpt2_reads_the_prompt_first():
    cfg = Config.fromfile(CONFIGS / 'gpt2_rooms.py')
    model = MODELS.build(cfg.model).eval()
    backbone = model.backbone
    assert backbone.language.model.config.model_type == 'gpt2'
    assert backbone.language.is_causal
    picture = torch.randn(1, 3, 96, 128)
    with torch.no_grad():
        before = backbone(picture).patch_map
        # Another prompt of the same picture, by way of its statistics.
        backbone.picture.mean += 40.0
        after = backbone(picture).patch_map
    assert not torch.allclose(before, after, atol=1e-5)


def test_main_job_takes_gpt2(monkeypatch):
    monkeypatch.setenv('VIT_WEIGHTS', 'random')
    monkeypatch.setenv('LLM_WEIGHTS', 'random')
    cfg = Config.fromfile(CONFIGS / 'gpt2_nyu_fewshot.py')
    language = cfg.model.backbone.language
    assert language.config == dict(model_type='gpt2')
    assert language.weights == 'random'
