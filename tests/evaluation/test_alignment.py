import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from llm_mde_mm.evaluation.alignment import ALIGNMENTS, align
from llm_mde_mm.evaluation.functional import eval_mask

examples = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
seeds = st.integers(0, 10_000)
WIDE = (1e-9, 1e9)


@examples
@given(
    seed=seeds,
    scale=st.floats(0.01, 100),
    shift=st.floats(-20, 20),
)
def test_alignments_undo_what_they_fit(make_case, seed, scale, shift):
    pred, gt = make_case(seed, 9, 11)
    pred, mask = pred.double(), eval_mask(gt)
    for mode in ('median', 'scale'):
        torch.testing.assert_close(
            align(scale * pred, gt, mask, mode), align(pred, gt, mask, mode)
        )
    torch.testing.assert_close(
        align(scale * pred + shift, gt, mask, 'affine'),
        align(pred, gt, mask, 'affine'),
        rtol=1e-7,
        atol=1e-7,
    )


@pytest.mark.parametrize('value', [0.0, 0.1, 2.0, 1e30])
def test_affine_turns_a_constant_into_the_mean(make_case, value):
    _, gt = make_case(1)
    mask = eval_mask(gt)
    fitted = align(torch.full_like(gt, value), gt, mask, 'affine')
    mean = gt[mask].double().mean()
    torch.testing.assert_close(fitted, mean.expand_as(fitted))


def test_affine_gives_an_inverted_map_no_more_than_a_constant(make_case):
    _, gt = make_case(2)
    mask = eval_mask(gt)
    inverted = align(10 - gt, gt, mask, 'affine')
    constant = align(torch.ones_like(gt), gt, mask, 'affine')
    torch.testing.assert_close(inverted, constant)


@pytest.mark.parametrize('mode', ['median', 'scale'])
@pytest.mark.parametrize('factor', [0.0, -1.0])
def test_a_prediction_without_positive_scale_is_left(make_case, mode, factor):
    pred, gt = make_case(3)
    fitted = align(factor * pred, gt, eval_mask(gt), mode)
    torch.testing.assert_close(fitted, factor * pred.double())


@examples
@given(seed=seeds, scale=st.floats(0.01, 100), shift=st.floats(0, 20))
def test_disparity_undoes_scale_and_shift_of_disparity(
    make_case, seed, scale, shift
):
    pred, gt = make_case(seed, 9, 11)
    pred, mask = pred.double(), eval_mask(gt)
    want = align(pred, gt, mask, 'disparity')
    moved = scale / pred + shift
    for changed, is_disparity in ((1 / moved, False), (moved, True)):
        torch.testing.assert_close(
            align(changed, gt, mask, 'disparity', (1e-6, 10.0), is_disparity),
            want,
            rtol=1e-7,
            atol=1e-7,
        )


@examples
@given(seed=seeds, mode=st.sampled_from(ALIGNMENTS))
def test_a_second_fit_changes_nothing(make_case, seed, mode):
    pred, gt = make_case(seed, 9, 11)
    mask = eval_mask(gt)
    once = align(pred, gt, mask, mode, WIDE)
    # What is capped at the far end is no line any more.
    assume(mode != 'disparity' or once.max() < 1e8)
    torch.testing.assert_close(
        align(once, gt, mask, mode, WIDE), once, rtol=1e-7, atol=1e-7
    )


@examples
@given(seed=seeds)
def test_no_other_line_in_disparity_is_nearer(make_case, seed):
    pred, gt = make_case(seed, 9, 11)
    mask = eval_mask(gt)
    fitted = align(pred, gt, mask, 'disparity', WIDE)
    x, y, best = (1 / v.double()[mask] for v in (pred, gt, fitted))
    assume(fitted[mask].max() < 1e8)
    error = (best - y).square().sum()
    for scale, shift in ((1.01, 0), (0.99, 0), (1, 0.01), (1, -0.01)):
        assert (scale * best + shift - y).square().sum() > error
    assert torch.corrcoef(torch.stack([best, x]))[0, 1] > 0.999999


def test_disparity_by_hand():
    gt = torch.tensor([[1.0, 2.0, 4.0, 0.0]])
    mask = gt > 0
    # 1 / gt = 1, 1/2, 1/4 is 2 / pred - 1; the last pixel's is negative.
    pred = torch.tensor([[1.0, 2 / 1.5, 2 / 1.25, 4.0]])
    got = align(pred, gt, mask, 'disparity')
    torch.testing.assert_close(
        got, torch.tensor([[1.0, 2.0, 4.0, 10.0]]).double(), rtol=0, atol=1e-6
    )
    assert align(pred, gt, mask, 'disparity', (1e-3, 80.0))[0, 3] == 80


@pytest.mark.parametrize('is_disparity', [True, False])
@pytest.mark.parametrize('value', [0.0, 0.1, 2.0, 1e30])
def test_disparity_turns_a_constant_into_the_harmonic_mean(
    make_case, value, is_disparity
):
    _, gt = make_case(1)
    mask = eval_mask(gt)
    pred = torch.full_like(gt, value)
    fitted = align(pred, gt, mask, 'disparity', is_disparity=is_disparity)
    mean = 1 / (1 / gt[mask].double()).mean()
    torch.testing.assert_close(fitted, mean.expand_as(fitted))


def test_disparity_gives_an_inverted_map_no_more_than_a_constant(make_case):
    _, gt = make_case(2)
    mask = eval_mask(gt)
    inverted = align(10 - gt, gt, mask, 'disparity')
    constant = align(torch.ones_like(gt), gt, mask, 'disparity')
    torch.testing.assert_close(inverted, constant)


@pytest.mark.parametrize('value', [0.0, -3.0])
def test_depth_that_has_no_disparity_counts_as_near(value):
    gt = torch.tensor([[0.5, 1.0, 2.0, 3.0]])
    pred = torch.tensor([[value, 1.0, 2.0, 3.0]])
    got = align(pred, gt, gt > 0, 'disparity', (0.25, 10.0))
    want = align(pred.clamp(min=0.25), gt, gt > 0, 'disparity')
    torch.testing.assert_close(got, want)


def test_wrong_arguments_are_named(make_case):
    pred, gt = make_case(4)
    mask = eval_mask(gt)
    with pytest.raises(ValueError, match='alignment'):
        align(pred, gt, mask, 'shift')
    with pytest.raises(ValueError, match='no pixel'):
        align(pred, gt, mask & False, 'none')
    for mode in ('none', 'affine'):
        with pytest.raises(ValueError, match='does not accept disparity'):
            align(pred, gt, mask, mode, is_disparity=True)
