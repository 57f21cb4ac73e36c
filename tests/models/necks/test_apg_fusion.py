import pytest
import torch

from llm_mde_mm.models import LLMFeatures
from llm_mde_mm.utils.errors import ConfigError


def make_features(prompt_tokens=5):
    mask = torch.ones(2, prompt_tokens, dtype=torch.bool)
    mask[1, :2] = False
    return LLMFeatures(
        torch.randn(2, 32, 2, 3),
        torch.randn(2, prompt_tokens, 32),
        mask,
        (torch.randn(2, 8, 2, 3), torch.randn(2, 24, 2, 3)),
    )


@pytest.fixture
def make(build):
    def make(**kwargs):
        settings = dict(in_channels=32, channels=16, num_heads=4)
        return build(dict(type='APGFusion', **{**settings, **kwargs}))

    return make


def loop_fusion(neck, features):
    """The neck by einsum, term by term in float64, pixel after pixel."""
    neck = neck.double()
    rows = []
    for b in range(2):
        kept = features.prompt_states[b][features.prompt_mask[b]].double()
        sources = neck.prompt_norm(torch.cat([neck.rest[0], kept]))
        key, value = neck.key_value(sources).split(16, -1)
        for pixel in features.patch_map[b].flatten(1).T.double():
            state = neck.patch_proj(neck.patch_norm(pixel))
            query = neck.query(state)
            told = []
            for h in range(0, 16, 4):
                scores = key[:, h : h + 4] @ query[h : h + 4] / 4**0.5
                share = scores.exp() / scores.exp().sum()
                told.append(share @ value[:, h : h + 4])
            rows.append(state + neck.proj(torch.cat(told)))
    return torch.stack(rows).unflatten(0, (2, 2, 3)).permute(0, 3, 1, 2)


@torch.no_grad()
def test_agrees_with_a_loop(make):
    neck, features = make(), make_features()
    got = neck(features)
    assert got.shape == (2, 16, 2, 3)
    want = loop_fusion(neck, features)
    torch.testing.assert_close(got.double(), want, rtol=0, atol=1e-5)


@torch.no_grad()
def test_the_prompt_reaches_every_pixel_of_its_picture(make):
    neck, features = make(), make_features()
    changed = features.prompt_states.clone()
    changed[0, 3] = torch.randn(32)
    got = neck(features._replace(prompt_states=changed))
    difference = (got - neck(features)).abs().amax(1)
    assert (difference[0] > 1e-5).all()
    assert not difference[1].any()


@torch.no_grad()
def test_masked_tokens_do_not_matter(make):
    neck, features = make(), make_features()
    changed = features.prompt_states.clone()
    changed[~features.prompt_mask] = 100 * torch.randn(2, 32)
    got = neck(features._replace(prompt_states=changed))
    torch.testing.assert_close(got, neck(features), rtol=0, atol=1e-6)


def test_without_a_prompt_every_parameter_is_used(make):
    neck = make(vision_channels=24)
    out = neck(make_features(prompt_tokens=0))
    assert out.shape == (2, 16, 2, 3)
    # Not the plain sum: a layer norm's output adds up to a constant.
    (out * torch.randn_like(out)).sum().backward()
    for name, parameter in neck.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


@pytest.mark.parametrize('channels, read', [(24, {1}), ((8, 24), {0, 1})])
@torch.no_grad()
def test_vision_channels(make, channels, read):
    features, bare = make_features(), make()
    neck = make(vision_channels=channels)
    for number, kept in enumerate(features.vision_maps):
        maps = list(features.vision_maps)
        maps[number] = torch.randn_like(kept)
        other = features._replace(vision_maps=tuple(maps))
        assert torch.equal(bare(features), bare(other))
        difference = (neck(features) - neck(other)).abs().amax(1)
        assert (difference > 1e-4).all() == (number in read)


def test_more_vision_channels_than_blocks(make):
    neck = make(vision_channels=(8, 8, 24))
    with pytest.raises(ConfigError, match='for 3 maps; .*reads 2'):
        neck(make_features())


@pytest.mark.parametrize('heads', [0, 3, 32])
def test_heads_that_do_not_divide(make, heads):
    with pytest.raises(ConfigError, match=f'neck.num_heads is {heads}.*16'):
        make(num_heads=heads)
