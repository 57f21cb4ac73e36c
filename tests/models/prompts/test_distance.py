import copy
import math
import statistics

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from llm_mde_mm.models.prompts import DISTANCE_EDGES, DistanceClassifier
from llm_mde_mm.models.prompts.distance import median_depth
from llm_mde_mm.utils.errors import ConfigError


def random_depth(batch):
    """Pictures of quite different depth, with holes."""
    depth = torch.rand(batch, 1, 9, 13) * torch.linspace(1.5, 7, batch).view(
        -1, 1, 1, 1
    )
    depth[torch.rand_like(depth) < 0.3] = 0
    return depth


def medians(depth):
    return [
        statistics.median_low(d[d > 0].tolist()) if (d > 0).any() else None
        for d in depth
    ]


def test_the_median_is_that_of_the_measurements():
    depth = random_depth(6)
    depth[2] = 0
    depth[3, 0, 0, :3] = torch.tensor([math.nan, math.inf, -1.0])
    depth[4], depth[4, 0, 5, 5] = 0, 2.5
    got, known = median_depth(depth)
    depth[3, 0, 0, :3] = 0
    want = medians(depth)
    assert known.tolist() == [True, True, False, True, True, True]
    assert [
        a if k else None
        for a, k in zip(got.tolist(), known.tolist(), strict=True)
    ] == want


def test_the_edges_lie_midway_between_depthclips_depths():
    depths = [1.0, 1.5, 2.0, 2.25, 2.5, 2.75, 3.0]
    assert np.convolve(depths, [0.5, 0.5], 'valid').tolist() == list(
        DISTANCE_EDGES
    )


@pytest.mark.parametrize('edges', [DISTANCE_EDGES, (1, 2, 3, 4, 5, 6)])
def test_the_loss_is_the_cross_entropy_of_the_medians_bin(edges):
    depth, logits = random_depth(12), torch.randn(12, 7)
    # On an edge.
    depth[0, 0, 0], depth[0, 0, 1:] = edges[2], 0
    depth[5] = 0
    classifier = DistanceClassifier(24, edges, loss_weight=0.3)
    got = classifier.loss(logits, depth)
    want = medians(depth)
    kept = [i for i, m in enumerate(want) if m is not None]
    bins = np.digitize([want[i] for i in kept], edges)
    assert len(kept) == 11 and len(set(bins)) > 3 and bins[0] == 3
    target = torch.from_numpy(bins)
    torch.testing.assert_close(
        got, 0.3 * F.cross_entropy(logits[kept], target)
    )


def test_without_a_measurement_the_loss_is_a_zero_with_a_gradient():
    logits = torch.randn(3, 7, requires_grad=True)
    loss = DistanceClassifier(24).loss(logits, torch.zeros(3, 1, 4, 5))
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(logits.grad, torch.zeros(3, 7))


@pytest.mark.parametrize('scale', [0.0, 1e4, 1e30])
def test_the_loss_is_finite(scale):
    logits = (scale * torch.randn(4, 7)).requires_grad_()
    depth = random_depth(4)
    depth[1] = 0
    loss = DistanceClassifier(24).loss(logits, depth)
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(logits.grad).all()


def test_gradients_reach_every_parameter():
    classifier = DistanceClassifier(24)
    patches = torch.randn(3, 6, 24, requires_grad=True)
    classifier.loss(classifier(patches), random_depth(3)).backward()
    for parameter in (patches, *classifier.parameters()):
        assert parameter.grad.abs().sum() > 0


@torch.no_grad()
def test_the_logits_agree_with_numpy():
    classifier = DistanceClassifier(24)
    patches = torch.randn(3, 6, 24)
    x = patches.double().numpy()
    x = x - x.mean(-1, keepdims=True)
    x = (x / np.sqrt(np.square(x).mean(-1, keepdims=True) + 1e-5)).mean(1)
    weight = classifier.linear.weight.double().numpy()
    want = x @ weight.T + classifier.linear.bias.double().numpy()
    np.testing.assert_allclose(classifier(patches).numpy(), want, atol=1e-6)


def test_the_classifier_can_learn():
    classifier = DistanceClassifier(8)
    depth = torch.tensor([1.0, 2.0, 3.0]).view(3, 1, 1, 1)
    patches = torch.randn(3, 4, 8)
    optimizer = torch.optim.Adam(classifier.parameters(), lr=0.1)
    for _ in range(30):
        optimizer.zero_grad()
        classifier.loss(classifier(patches), depth).backward()
        optimizer.step()
    assert classifier(patches).argmax(1).tolist() == [0, 2, 6]


def test_the_edges_stay_exact_when_weights_are_cast():
    edges = (1.001, 1.002, 1.003, 1.004, 1.005, 1.006)
    classifier = DistanceClassifier(24, edges)
    cast = copy.deepcopy(classifier).bfloat16()
    assert cast.linear.weight.dtype == torch.bfloat16
    assert torch.equal(cast.edges, classifier.edges)
    assert cast(torch.randn(1, 4, 24).bfloat16()).dtype == torch.float32


@pytest.mark.parametrize(
    'edges',
    [(1, 2, 3), (1, 2, 3, 3, 4, 5), (0, 1, 2, 3, 4, 5), (6, 5, 4, 3, 2, 1),
     (1, 2, 3, 4, 5, math.inf), (1, 2, 3, 4, 5, math.nan)],
)  # fmt: skip
def test_wrong_edges(edges):
    with pytest.raises(ConfigError, match='give 6 rising depths in metres'):
        DistanceClassifier(24, edges)


@pytest.mark.parametrize('weight', [-0.1, math.inf, math.nan])
def test_wrong_weights(weight):
    with pytest.raises(ConfigError, match='distance_loss_weight is'):
        DistanceClassifier(24, loss_weight=weight)
