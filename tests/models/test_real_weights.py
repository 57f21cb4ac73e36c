"""Pretrained networks, where they lie on this machine, against their origin.

Folders `clip_vit_b16` and `dinov2_small` (timm weights), `minilm` and `mpnet`
(Hugging Face folders) below LLM_MDE_WEIGHTS.
"""

import os
from pathlib import Path

import pytest
import timm
import torch
from transformers import AutoModel

ROOT = Path(
    os.environ.get('LLM_MDE_WEIGHTS', '~/.cache/llm_mde_mm/weights')
).expanduser()
VITS = dict(
    clip_vit_b16='vit_base_patch16_clip_quickgelu_224.openai',
    dinov2_small='vit_small_patch14_dinov2.lvd142m',
)
LANGUAGE_MODELS = ('minilm', 'mpnet')


def folder(name):
    path = ROOT / name
    if not path.is_dir():
        pytest.skip(f'no weights in {path}: set LLM_MDE_WEIGHTS')
    return path


def pictures(count=2, size=(224, 224)):
    """Smooth ones: noise is nothing that a ViT has seen."""
    generator = torch.Generator().manual_seed(1)
    coarse = torch.randn(count, 3, 7, 7, generator=generator)
    return torch.nn.functional.interpolate(coarse, size, mode='bicubic')


@pytest.fixture(params=VITS)
def vit(request, build):
    path = folder(request.param)
    name = VITS[request.param]
    cfg = dict(type='TimmViT', model_name=name, weights=str(path))
    return build(cfg).eval(), path, name


@torch.no_grad()
def test_the_vit_is_timms(vit):
    ours, path, name = vit
    theirs = timm.create_model(
        name, num_classes=0, img_size=(224, 224), pretrained=False
    ).eval()
    timm.models.load_checkpoint(
        theirs,
        str(path / 'model.safetensors'),
        strict=False,
        filter_fn=timm.models.vision_transformer.checkpoint_filter_fn,
    )
    inputs = pictures()
    want = theirs.forward_features(inputs)[:, theirs.num_prefix_tokens :]
    got = ours(inputs)[-1]
    # LoRA adds nothing at the start.
    assert (got - want).norm() < 1e-5 * want.norm()
    single = torch.cat([ours(inputs[i : i + 1])[-1] for i in range(2)])
    assert (single - got).norm() < 1e-5 * got.norm()


@pytest.fixture(params=LANGUAGE_MODELS)
def language(request, build):
    path = folder(request.param)
    cfg = dict(type='HFLanguageModel', weights=str(path))
    return build(cfg).eval(), path


@torch.no_grad()
def test_the_language_model_is_hugging_faces(language):
    ours, path = language
    theirs = AutoModel.from_pretrained(path, dtype=torch.float32).eval()
    text = 'the wall is far and the chair is close'
    ids = ours.tokenizer(text, return_tensors='pt')['input_ids']
    want = theirs(input_ids=ids).last_hidden_state
    got = ours(ours.embed(ids), None)
    assert (got - want).norm() < 1e-5 * want.norm()
    padded = torch.nn.functional.pad(ids, (3, 0), value=5)
    mask = torch.arange(padded.shape[1])[None] >= 3
    got = ours(ours.embed(padded), mask)[:, 3:]
    assert (got - want).norm() < 1e-5 * want.norm()


@torch.no_grad()
def test_prompts_are_the_tokenisers_own(language, build):
    ours, _ = language
    generator = build(dict(type='PromptGenerator', tokenizer=ours.tokenizer))
    assert generator.length <= 48
    prompt = generator(torch.randint(0, 256, (3, 3, 32, 32)).float())
    for text, ids, mask in zip(
        generator.decode(prompt), prompt.ids, prompt.mask, strict=True
    ):
        assert ours.tokenizer(text)['input_ids'] == ids[mask].tolist()
