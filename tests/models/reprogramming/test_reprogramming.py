import numpy as np
import pytest
import torch

from llm_mde_mm.utils.errors import ConfigError


def exact(tensor):
    return tensor.detach().double()


@pytest.mark.parametrize('rank', [None, 3])
def test_prototypes_are_a_matrix_product(build, rank):
    words = torch.randn(50, 8)
    prototypes = build(
        dict(
            type='TextPrototypes',
            vocab_size=50,
            num_prototypes=6,
            prototype_rank=rank,
        )
    )
    weights = {n: p.detach().numpy() for n, p in prototypes.named_parameters()}
    if rank is None:
        assert {n: w.shape for n, w in weights.items()} == dict(
            mapping=(6, 50)
        )
        w = weights['mapping']
    else:
        assert {n: w.shape for n, w in weights.items()} == dict(
            mixing=(6, 3), mapping=(3, 50)
        )
        w = weights['mixing'].astype('f8') @ weights['mapping']
    # Both factors have unit variance, so each sum is over its length.
    scale = 50**-0.5 * (1 if rank is None else rank**-0.5)
    want = scale * (w.astype('f8') @ words.double().numpy())
    got = prototypes(words).detach().numpy()
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-6)


@pytest.mark.parametrize('rank', [None, 64])
def test_prototypes_start_at_the_scale_of_words(build, rank):
    words = 0.05 * torch.randn(2000, 16)
    prototypes = build(
        dict(
            type='TextPrototypes',
            vocab_size=2000,
            num_prototypes=200,
            prototype_rank=rank,
        )
    )
    assert prototypes(words).std().item() == pytest.approx(0.05, rel=0.1)


@pytest.mark.parametrize(
    'name', ['vocab_size', 'num_prototypes', 'prototype_rank']
)
def test_a_size_of_zero(build, name):
    sizes = dict(vocab_size=9, num_prototypes=2, prototype_rank=1)
    with pytest.raises(ConfigError, match=f'prototypes.{name} is 0'):
        build(dict(type='TextPrototypes', **{**sizes, name: 0}))


def make_reprogramming(build, **kwargs):
    settings = dict(vision_dims=12, embed_dims=16, num_heads=4)
    return build(
        dict(type='CrossModalReprogramming', **{**settings, **kwargs})
    )


def einsum_attention(module, patches, prototypes):
    """``softmax(Q K^T / sqrt(d)) V`` a head, in float64 and term by term."""

    def plus_bias(layer, x):
        return x if layer.bias is None else x + exact(layer.bias)

    def linear(layer, x):
        return plus_bias(layer, x @ exact(layer.weight).T)

    def norm(layer, x):
        x = x - x.mean(-1, keepdim=True)
        x = x / (x.square().mean(-1, keepdim=True) + layer.eps).sqrt()
        return plus_bias(layer, x * exact(layer.weight))

    heads, width = module.num_heads, 16 // module.num_heads
    source = norm(module.prototype_norm, exact(prototypes))
    q = linear(module.query, exact(patches)).reshape(2, -1, heads, width)
    k = linear(module.key, source).reshape(-1, heads, width)
    v = linear(module.value, source).reshape(-1, heads, width)
    v = v - v.mean(0)
    scores = torch.einsum('bnhd,vhd->bhnv', q, k) / width**0.5
    share = scores.exp() / scores.exp().sum(-1, keepdim=True)
    mixed = torch.einsum('bhnv,vhd->bnhd', share, v).reshape(2, -1, 16)
    mixed = linear(module.proj, mixed)
    return norm(module.norm, mixed - mixed.mean(1, keepdim=True))


@pytest.mark.parametrize('heads', [1, 4, 16])
def test_attention_agrees_with_einsum(build, heads):
    module = make_reprogramming(build, num_heads=heads).eval()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    patches, prototypes = torch.randn(2, 5, 12), 0.05 * torch.randn(7, 16)
    keys_values = module.keys_values(prototypes)
    assert keys_values[0].shape == (heads, 7, 16 // heads)
    got = module(patches, keys_values)
    want = einsum_attention(module, patches, prototypes)
    torch.testing.assert_close(got.double(), want, rtol=0, atol=1e-5)


def test_what_all_patches_share_does_not_come_through(build):
    module = make_reprogramming(build).eval()
    patches = torch.randn(2, 5, 12)
    keys_values = module.keys_values(torch.randn(7, 16))
    want = module(patches, keys_values)
    biased = torch.nn.Linear(16, 16)
    biased.weight, module.proj = module.proj.weight, biased
    torch.nn.init.normal_(biased.bias, std=10)
    got = module(patches, keys_values)
    torch.testing.assert_close(got, want, rtol=0, atol=1e-4)


def test_patches_stay_apart_at_the_start(build):
    """A near uniform attention must not make all patches one mean value."""
    module = make_reprogramming(build, vision_dims=64, embed_dims=128).eval()
    patches = torch.randn(1, 200, 64)
    out = module(patches, module.keys_values(0.05 * torch.randn(1000, 128)))[0]
    spread = (out - out.mean(0)).square().sum(1).mean()
    assert spread > 0.9 * out.square().sum(1).mean()


def test_every_parameter_acts(build):
    """A bias on the keys, or on the values, would change nothing."""
    module = make_reprogramming(build)
    out = module(torch.randn(2, 9, 12), module.keys_values(torch.randn(7, 16)))
    (out * torch.randn(out.shape)).sum().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad.abs().max() > 1e-6, name


def test_dropout_only_in_training(build):
    module = make_reprogramming(build, dropout=0.5)
    patches = torch.randn(1, 5, 12)
    keys_values = module.keys_values(torch.randn(7, 16))
    first, second = (module(patches, keys_values) for _ in range(2))
    assert not torch.equal(first, second)
    module.eval()
    first, second = (module(patches, keys_values) for _ in range(2))
    assert torch.equal(first, second)


def test_match_scale(build):
    module = make_reprogramming(build, vision_dims=64).eval()
    words = torch.randn(500, 16) * 0.04 + torch.linspace(-1, 1, 16)
    module.match_scale(words)
    keys_values = module.keys_values(words[:50])
    out = module(torch.randn(2, 400, 64), keys_values).flatten(0, 1)
    # Around the words' mean at the words' spread, whatever the patches are.
    mean = torch.linspace(-1, 1, 16)
    spread = (out - mean).square().mean().sqrt().item()
    assert spread == pytest.approx(0.04, rel=0.1)


@pytest.mark.parametrize('heads', [0, 3, 32])
def test_heads_that_do_not_divide(build, heads):
    with pytest.raises(
        ConfigError, match=f'num_heads is {heads}.*width of 16'
    ):
        make_reprogramming(build, num_heads=heads)
