"""What is taken from a model, against values computed another way."""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.structures import SegDataSample

from llm_mde_mm.apis.ablation import (
    ablate,
    applicable,
    mean_patch_state,
    training_pictures,
)
from llm_mde_mm.utils.errors import ConfigError
from tests.conftest import TINY_VIT


@pytest.fixture
def model(build, tiny_model_cfg, fill_lora):
    return fill_lora(build(tiny_model_cfg())).eval()


@pytest.fixture
def batches():
    """Two batches of noise, of two pictures and of one."""
    generator = torch.Generator().manual_seed(3)
    noise = torch.randint(0, 256, (3, 3, 32, 48), generator=generator)
    return [
        dict(inputs=list(part.to(torch.uint8)), data_samples=samples(part))
        for part in noise.split([2, 1])
    ]


def samples(pictures):
    meta = dict(img_shape=(32, 48), ori_shape=(32, 48), padding_size=[0] * 4)
    return [SegDataSample(metainfo=dict(meta)) for _ in pictures]


def inputs_of(model, batch):
    return model.data_preprocessor(batch, False)['inputs']


@torch.no_grad()
def features(model, inputs):
    return model.backbone(inputs)


def test_the_mean_is_over_pictures_and_positions(model, batches):
    states = np.concatenate(
        [
            features(model, inputs_of(model, batch))
            .patch_map.numpy()
            .astype(np.float64)
            .transpose(0, 2, 3, 1)
            .reshape(-1, 32)
            for batch in batches
        ]
    )
    assert len(states) == 3 * 2 * 3
    # Not the mean of the batches' means: they differ in size.
    np.testing.assert_allclose(
        mean_patch_state(model, batches).numpy(), states.mean(0), rtol=1e-5
    )


def test_no_training_picture(model):
    with pytest.raises(ConfigError, match='no training picture'):
        mean_patch_state(model, [])


def test_training_pictures_come_as_a_test_sees_them():
    resize, pack = dict(type='ResizePicture'), dict(type='PackDepthInputs')
    test = dict(type='B', pipeline=[resize, pack])
    read, flip = dict(type='LoadPicture'), dict(type='RandomFlip')
    train = dict(
        type='RepeatDataset',
        dataset=dict(
            type='A', pipeline=[read, flip], cache_mb=9, max_damaged=3
        ),
    )

    class Runner:
        cfg = Config(
            dict(
                train_dataloader=dict(batch_size=7, dataset=train),
                test_dataloader=dict(batch_size=2, dataset=test),
            )
        )

        def build_dataloader(self, cfg):
            return cfg

    assert training_pictures(Runner()) == dict(
        batch_size=2,
        dataset=dict(
            type='RepeatDataset',
            dataset=dict(
                type='A', pipeline=[read, resize, pack], test_mode=True
            ),
        ),
    )


def test_patch_states_become_constant(model, batches):
    mean = torch.linspace(-1, 1, 32)
    inputs = inputs_of(model, batches[0])
    before = features(model, inputs)
    with ablate(model, 'mean_patches', mean):
        during = features(model, inputs)
    after = features(model, inputs)
    assert before.patch_map.std((0, 2, 3)).min() > 0
    for place in np.ndindex(2, 2, 3):
        b, row, column = place
        assert torch.equal(during.patch_map[b, :, row, column], mean)
    assert torch.equal(during.prompt_states, before.prompt_states)
    assert torch.equal(after.patch_map, before.patch_map)


def test_depth_without_a_prompt_is_that_of_a_formula(model, batches):
    neck = model.neck
    with torch.no_grad():
        neck.prompt_norm.bias.normal_()
    inputs = inputs_of(model, batches[0])
    plain = features(model, inputs)
    with torch.no_grad(), ablate(model, 'zero_prompt'):
        fused = model.extract_feat(inputs)
    # A zero state is the norm's bias afterwards, the same for all P tokens.
    state = neck.state_dict().items()
    weights = {name: value.double().numpy() for name, value in state}

    def linear(x, name):
        return x @ weights[f'{name}.weight'].T + weights[f'{name}.bias']

    def norm(x, name):
        x = x - x.mean(-1, keepdims=True)
        x = x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5)
        return x * weights[f'{name}.weight'] + weights[f'{name}.bias']

    states = plain.patch_map.double().numpy().reshape(2, 32, 6)
    states = norm(states.transpose(0, 2, 1), 'patch_norm')
    pixels = linear(states, 'patch_proj')
    length = plain.prompt_states.shape[1]
    rest = norm(weights['rest'][0], 'prompt_norm')
    prompt = np.repeat(weights['prompt_norm.bias'][None], length, 0)
    key, value = np.split(
        linear(np.concatenate([rest, prompt]), 'key_value'), 2, -1
    )
    query = linear(pixels, 'query')
    told = np.zeros_like(query)
    seen = np.concatenate(
        [np.ones((2, 1), bool), plain.prompt_mask.numpy()], 1
    )
    for head in range(4):
        part = slice(4 * head, 4 * head + 4)
        scores = np.exp(query[..., part] @ key[:, part].T / 2) * seen[:, None]
        shares = scores / scores.sum(-1, keepdims=True)
        told[..., part] = shares @ value[:, part]
    expected = pixels + linear(told, 'proj')
    np.testing.assert_allclose(
        fused.numpy().reshape(2, 16, 6).transpose(0, 2, 1),
        expected,
        rtol=1e-4,
        atol=1e-5,
    )


def test_the_other_pictures_prompt_is_read(model, batches):
    inputs = inputs_of(model, batches[0])
    # Brightness tells the two prompts apart.
    inputs[1] = inputs[1] * 0.2 - 1
    plain = features(model, inputs)
    with ablate(model, 'other_prompt'):
        other = features(model, inputs)
    swapped = model.backbone.prompt(model.backbone.picture(inputs).flip(0))
    words = model.backbone.prompt.embed(swapped, model.backbone.language)
    patches = model.backbone.reprogramming(
        model.backbone.vision(inputs)[-1], model.backbone.keys_values()
    )
    mask = torch.cat(
        [swapped.mask, swapped.mask.new_ones(patches.shape[:2])], 1
    )
    with torch.no_grad():
        states = model.backbone.language(torch.cat([words, patches], 1), mask)
    length = words.shape[1]
    torch.testing.assert_close(other.prompt_states, states[:, :length])
    torch.testing.assert_close(
        other.patch_map.flatten(2).transpose(1, 2), states[:, length:]
    )
    assert not torch.equal(other.patch_map, plain.patch_map)


def test_what_applies_to_which_model(build, tiny_model_cfg, model):
    assert applicable(model) == [
        'untouched',
        'mean_patches',
        'zero_prompt',
        'other_prompt',
    ]
    fixed = build(tiny_model_cfg(backbone__prompt__mode='fixed'))
    assert applicable(fixed)[-1] == 'zero_prompt'
    other = build(
        tiny_model_cfg(backbone__prompt__type='OtherPromptGenerator')
    )
    assert applicable(other)[-1] == 'zero_prompt'
    alone = build(
        tiny_model_cfg(
            backbone=dict(type='VisionDepthBackbone', vision=dict(TINY_VIT))
        )
    )
    assert applicable(alone) == ['untouched', 'mean_patches']
    with (
        pytest.raises(ConfigError, match="'zero_prompt'.*mean_patches"),
        ablate(alone, 'zero_prompt'),
    ):
        pass
    with (
        pytest.raises(ConfigError, match='needs the mean'),
        ablate(model, 'mean_patches'),
    ):
        pass
