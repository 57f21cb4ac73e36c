import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_mde_mm.models.losses.functional import (
    gradient_term,
    resize_depth,
    scale_and_shift,
    silog_loss,
    ssi_loss,
    valid_depth,
)

CASES = range(1000)
LOSSES = ('ssi', 'ssi_gradient', 'silog', 'silog_gradient')


def random_case(seed):
    """Prediction, target and mask ``(H, W)``; the size varies too."""
    rng = np.random.default_rng(seed)
    height, width = rng.integers(2, 40, 2)
    target = rng.uniform(0.4, 9.9, (height, width))
    prediction = target * np.exp(rng.normal(0, 0.3, target.shape)) + 0.1
    if seed % 4 == 3:
        prediction = 10.5 - target * rng.uniform(0.8, 1, target.shape)
    valid = rng.uniform(size=target.shape) < 0.8
    valid.flat[:2] = True
    return prediction.astype('f4'), target.astype('f4'), valid


def numpy_ssi(p, d, m, weight=0.0, scales=4):
    """Equations 4, 5 and 11 of arXiv 1907.01341 by the normal equations."""
    p, d = p.astype(np.float64), d.astype(np.float64)
    system = np.stack([p[m], np.ones(m.sum())], 1)
    s, t = np.linalg.lstsq(system, d[m], rcond=None)[0]
    if s < 0:
        s, t = 0.0, d[m].mean()
    residual = s * p + t - d
    loss = (residual[m] ** 2).sum() / (2 * m.sum())
    return loss + weight * numpy_gradient(residual, m, scales)


def numpy_gradient(residual, m, scales=4):
    loss = 0.0
    for k in range(scales):
        r, v = residual[:: 2**k, :: 2**k], m[:: 2**k, :: 2**k]
        across = np.abs(np.diff(r, axis=1))[v[:, 1:] & v[:, :-1]].sum()
        down = np.abs(np.diff(r, axis=0))[v[1:] & v[:-1]].sum()
        loss += (across + down) / max(v.sum(), 1)
    return loss


def numpy_silog(p, d, m, focus, weight=0.0):
    difference = np.log(np.maximum(p.astype(np.float64), 1e-3))
    difference -= np.log(np.maximum(d.astype(np.float64), 1e-3))
    g = difference[m]
    value = (g**2).mean() - focus * g.mean() ** 2
    # The documented softening of the root.
    loss = np.sqrt(value + 1e-6) - 1e-3
    return loss + weight * numpy_gradient(difference, m)


def as_batch(*maps):
    return [torch.from_numpy(np.asarray(m))[None] for m in maps]


@pytest.mark.parametrize('weight', [0.0, 0.5])
def test_ssi_agrees_with_numpy(weight):
    for seed in CASES:
        case = random_case(seed)
        got = ssi_loss(*as_batch(*case), weight)
        assert got.dtype == torch.float32
        want = numpy_ssi(*case, weight)
        assert got.item() == pytest.approx(want, rel=1e-6, abs=1e-6), seed


@pytest.mark.parametrize(
    ('focus', 'weight'),
    [(0.0, 0.0), (0.5, 0.0), (0.5, 0.7), (0.85, 0.0), (1.0, 0.0)],
)
def test_silog_agrees_with_numpy(focus, weight):
    for seed in CASES:
        case = random_case(seed)
        got = silog_loss(*as_batch(*case), focus, weight).item()
        want = numpy_silog(*case, focus, weight)
        assert got == pytest.approx(want, rel=1e-6, abs=1e-6), seed


def test_silog_with_full_focus_ignores_the_scale():
    p, d, m = as_batch(*random_case(1))
    one, two = silog_loss(p, d, m, 1.0), silog_loss(3 * p, d, m, 1.0)
    torch.testing.assert_close(one, two, rtol=1e-5, atol=0)
    assert silog_loss(3 * p, d, m, 0.5) > 1.5 * silog_loss(p, d, m, 0.5)


@given(
    seed=st.integers(0, 10**6),
    scale=st.floats(1e-2, 1e2),
    shift=st.floats(-50, 50),
)
@settings(max_examples=200, deadline=None)
def test_ssi_ignores_scale_and_shift(seed, scale, shift):
    p, d, m = as_batch(*random_case(seed))
    p, d = p.double(), d.double()
    for weight in (0.0, 0.5):
        want = ssi_loss(p, d, m, weight)
        got = ssi_loss(scale * p + shift, d, m, weight)
        torch.testing.assert_close(got, want, rtol=1e-6, atol=1e-9)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=100, deadline=None)
def test_what_is_masked_never_matters(seed):
    p, d, m = as_batch(*random_case(seed))
    rng = torch.Generator().manual_seed(seed)
    junk = torch.randn(p.shape, generator=rng) * 1e3
    junk[..., ::2] = torch.nan
    junk[..., ::3] = torch.inf
    other_p, other_d = p.where(m, junk), d.where(m, torch.nan)
    for function in (lambda *a: ssi_loss(*a, 0.5), silog_loss):
        assert torch.equal(function(p, d, m), function(other_p, other_d, m))


@given(seed=st.integers(0, 10**6))
@settings(max_examples=100, deadline=None)
def test_the_gradient_term_does_not_see_what_is_masked(seed):
    p, d, m = as_batch(*random_case(seed))
    residual = (p - d).requires_grad_()
    junk = residual.detach().where(m, torch.nan).requires_grad_()
    want, got = gradient_term(residual, m), gradient_term(junk, m)
    assert torch.equal(got, want)
    gradients = [torch.autograd.grad(a.sum(), b) for a, b in (
        (want, residual), (got, junk),
    )]  # fmt: skip
    assert torch.equal(*(g[0] for g in gradients))


@given(seed=st.integers(0, 10**6))
@settings(max_examples=100, deadline=None)
def test_a_mirrored_pair_costs_the_same(seed):
    p, d, m = as_batch(*random_case(seed))
    mirrored = [t.flip(-1) for t in (p, d, m)]
    # With one scale: a mirror moves which columns the others keep.
    for function in (lambda *a: ssi_loss(*a, 0.5, 1), silog_loss):
        torch.testing.assert_close(
            function(*mirrored), function(p, d, m), rtol=1e-4, atol=1e-6
        )


def test_an_inverted_map_costs_what_a_constant_does():
    _, d, m = as_batch(*random_case(0))
    for weight in (0.0, 0.5):
        constant = ssi_loss(torch.full_like(d, 3.0), d, m, weight)
        torch.testing.assert_close(ssi_loss(-d, d, m, weight), constant)
        torch.testing.assert_close(ssi_loss(1 - 5 * d, d, m, weight), constant)
        assert ssi_loss(d, d, m, weight) < 1e-6 < constant


def test_a_constant_has_no_scale_at_any_depth():
    rng = np.random.default_rng(0)
    target = torch.from_numpy(rng.uniform(1, 9, (1, 480, 640))).float()
    valid = torch.from_numpy(rng.uniform(size=(1, 480, 640)) < 0.8)
    # At 7 m and more the rounded mean leaves a variance of 1e-12 and more.
    for depth in (0.05, 2.0, 7.06, 8.59, 9.63, 79.3):
        constant = torch.full_like(target, depth, requires_grad=True)
        for size in (96, 224, 480):
            cut = [t[:, :size] for t in (constant, target, valid)]
            assert scale_and_shift(*cut)[0].item() == 0
    # A centimetre in 80 m is a scale.
    near = 79.3 + 0.01 * target
    assert scale_and_shift(near, target, valid)[0].item() == pytest.approx(
        100, rel=0.01
    )


def test_scale_and_shift_of_a_known_line():
    p = torch.tensor([[[1.0, 2.0, 4.0, 99.0]]])
    valid = torch.tensor([[[True, True, True, False]]])
    scale, shift = scale_and_shift(p, 2.5 * p + 0.75, valid)
    assert (scale.item(), shift.item()) == pytest.approx((2.5, 0.75), rel=1e-5)


def test_a_batch_gives_the_values_of_its_pictures():
    maps = torch.rand(3, 9, 11) + 0.5
    d = torch.rand(3, 9, 11) + 0.5
    m = torch.rand(3, 9, 11) < 0.7
    for function in (lambda *a: ssi_loss(*a, 0.5), silog_loss):
        singles = [
            function(*(t[i : i + 1] for t in (maps, d, m))) for i in (0, 1, 2)
        ]
        torch.testing.assert_close(function(maps, d, m), torch.cat(singles))


def extreme_cases():
    d = torch.rand(1, 8, 8) * 9 + 0.5
    every = torch.ones(1, 8, 8, dtype=torch.bool)
    one = torch.zeros_like(every)
    one[0, 3, 4] = True
    return dict(
        perfect=(d.clone(), d, every),
        constant=(torch.full_like(d, 2.5), d, every),
        flat_both=(torch.full_like(d, 2.5), torch.full_like(d, 2.5), every),
        all_invalid=(torch.rand_like(d), torch.zeros_like(d), ~every),
        one_pixel=(torch.rand_like(d), d, one),
        nan_outside=(torch.rand_like(d), d.where(one, torch.nan), one),
        zero=(torch.zeros_like(d), d, every),
        negative=(-torch.rand_like(d), d, every),
        large=(torch.rand_like(d) * 1e12, d, every),
        small=(torch.rand_like(d) * 1e-12, d, every),
        tiny_target=(torch.rand_like(d), d * 1e-30, every),
        far_target=(torch.rand_like(d), d * 1e18, every),
        farthest=(torch.rand_like(d), torch.rand_like(d) * 3e38, every),
        largest=((torch.rand_like(d) - 0.5) * 6e38, d, every),
        infinite=(d.where(one, torch.inf), d, every),
        nearly_constant=(2 + torch.rand_like(d) * 4e-6, d * 1e30, every),
        nan_prediction_outside=(d.where(one, torch.nan), d, one),
        inf_prediction_outside=(d.where(one, -torch.inf), d, one),
        nan_prediction_and_no_depth=(torch.full_like(d, torch.nan), d, ~every),
    )


@pytest.mark.parametrize('name', extreme_cases())
@pytest.mark.parametrize(
    'loss', ['ssi', 'ssi_gradient', 'silog', 'silog_gradient']
)
def test_value_and_gradient_are_finite(name, loss):
    function = dict(
        ssi=ssi_loss,
        ssi_gradient=lambda *a: ssi_loss(*a, 0.5),
        silog=silog_loss,
        silog_gradient=lambda *a: silog_loss(*a, gradient_weight=0.5),
    )[loss]
    p, d, m = extreme_cases()[name]
    p.requires_grad_()
    value = function(p, d, m)
    (gradient,) = torch.autograd.grad(value.sum(), p)
    assert torch.isfinite(value).all() and (value >= 0).all()
    assert torch.isfinite(gradient).all()
    assert not gradient[~m].any()
    if not m.any():
        assert value.item() == 0
    if name == 'perfect':
        assert value.item() < 1e-6


@pytest.mark.parametrize('seed', range(4))
@pytest.mark.parametrize(
    'loss', ['ssi', 'ssi_gradient', 'silog', 'silog_gradient']
)
def test_gradcheck(seed, loss):
    """Central differences, in float64."""
    function = dict(
        ssi=ssi_loss,
        ssi_gradient=lambda *a: ssi_loss(*a, 0.5),
        silog=silog_loss,
        silog_gradient=lambda *a: silog_loss(*a, gradient_weight=0.5),
    )[loss]
    p, d, m = (t[:, :6, :6] for t in as_batch(*random_case(seed)))
    p = p.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: function(x, d.double(), m), (p,))


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_half_precision_is_summed_in_float32(dtype):
    p, d, m = as_batch(*random_case(4))
    p, d = p.to(dtype), d.to(dtype)
    for function in (lambda *a: ssi_loss(*a, 0.5), silog_loss):
        got = function(p, d, m)
        assert got.dtype == torch.float32
        assert torch.equal(got, function(p.float(), d.float(), m))


def test_valid_depth():
    target = torch.tensor([0.0, -1.0, 0.5, 10.0, 10.1, torch.nan, torch.inf])
    assert valid_depth(target).tolist() == [
        False, False, True, True, True, False, False,
    ]  # fmt: skip
    assert valid_depth(target, 10.0).sum() == 2


def test_resize_depth_against_hand_values():
    depth = torch.tensor([[[[1.0, 3.0]]]], dtype=torch.bfloat16)
    got = resize_depth(depth, (1, 4))
    # Pixel centres at -0.25, 0.25, 0.75, 1.25 of the two.
    assert got.flatten().tolist() == [1.0, 1.5, 2.5, 3.0]
    assert got.dtype == resize_depth(depth, (1, 2)).dtype == torch.float32
