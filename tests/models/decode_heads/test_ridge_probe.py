"""The linear probe against its definition."""

import torch

from llm_mde_mm.models import LLMFeatures, RidgeProbe


def features(*maps):
    batch = maps[0].shape[0]
    return LLMFeatures(
        maps[-1], torch.zeros(batch, 0, 3), torch.ones(batch, 0), maps
    )


def test_it_finds_a_linear_relation_in_the_tokens_of_all_blocks():
    torch.manual_seed(0)
    first, last = torch.randn(2, 2, 3, 4, 5).unbind(0)
    weight = torch.tensor([0.3, -0.2, 0.1, 0.05, 0.0, -0.1])
    probe = RidgeProbe(6)
    tokens = probe.tokens(features(first, last))
    log_depth = (tokens * weight.view(1, 6, 1, 1)).sum(1) + 0.7
    probe.fit(tokens.movedim(1, -1).flatten(0, 2), log_depth.flatten(), 1e-9)
    depth = probe(features(first, last))
    assert depth.shape == (2, 1, 4, 5)
    torch.testing.assert_close(depth[:, 0], log_depth.exp())


def test_it_minimises_what_it_says():
    torch.manual_seed(0)
    x, y = torch.randn(40, 3).double() * 5 + 2, torch.randn(40).double()
    probe = RidgeProbe(3).double()
    probe.fit(x, y, 7.0)
    weight = probe.weight.clone().requires_grad_()
    bias = probe.bias.clone().requires_grad_()
    penalty = 7.0 * (weight * x.std(0)).square().sum()
    ((x @ weight + bias - y).square().sum() + penalty).backward()
    for gradient in (weight.grad, bias.grad):
        torch.testing.assert_close(
            gradient, torch.zeros_like(gradient), rtol=0, atol=1e-9
        )


def test_depth_stays_in_the_range():
    probe = RidgeProbe(1, min_depth=0.5, max_depth=4.0)
    probe.weight.fill_(1.0)
    depth = probe(features(torch.tensor([[[[-9.0, 0.0, 9.0]]]])))
    assert depth.flatten().tolist() == [0.5, 1.0, 4.0]
