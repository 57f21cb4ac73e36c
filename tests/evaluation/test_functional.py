import math

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_mde_mm.evaluation.functional import (
    SCORES,
    align,
    depth_scores,
    eval_mask,
)

examples = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
seeds = st.integers(0, 10_000)


@pytest.mark.parametrize('mode', ['none', 'median', 'scale', 'affine'])
@pytest.mark.parametrize('seed', range(6))
def test_scores_and_alignment_agree_with_numpy(
    make_case, load_beside, mode, seed
):
    reference = load_beside('reference')
    pred, gt = make_case(seed, 37, 53 + seed)
    mask = eval_mask(gt)
    ours = align(pred, gt, mask, mode)
    theirs = reference.aligned(pred, gt, mask, mode)
    np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-9)
    got = depth_scores(ours, gt, mask, clamp=(1e-3, 10.0))
    want = reference.scores(np.clip(theirs, 1e-3, 10.0), gt, mask)
    assert tuple(got) == SCORES
    for name in SCORES:
        assert got[name] == pytest.approx(want[name], abs=1e-6), name


def test_scores_of_two_pixels_by_hand():
    pred, gt = torch.tensor([[2.0, 3.0]]), torch.tensor([[1.0, 4.0]])
    scores = depth_scores(pred, gt, torch.ones(1, 2, dtype=torch.bool))
    assert scores['abs_rel'] == pytest.approx((1 + 0.25) / 2)
    assert scores['sq_rel'] == pytest.approx((1 + 0.25) / 2)
    assert scores['rmse'] == pytest.approx(1.0)
    # Variance of two values is the square of half their distance.
    assert scores['silog'] == pytest.approx(50 * math.log(2 * 4 / 3))
    assert (scores['d1'], scores['d2'], scores['d3']) == (0, 0.5, 0.5)


def test_a_perfect_prediction(make_case):
    _, gt = make_case(0)
    scores = depth_scores(gt, gt, eval_mask(gt))
    assert [scores[k] for k in ('d1', 'd2', 'd3')] == [1, 1, 1]
    assert all(scores[k] == 0 for k in SCORES[:6])


def test_sums_are_accumulated_in_float64():
    # In float32, 1 + 1e-8 is 1 and half precision ends at 65504.
    gt = torch.full((1500, 1500), 3.0)
    pred = torch.full((1500, 1500), 3.1).half()
    scores = depth_scores(pred, gt, gt > 0)
    want = float(pred[0, 0].double() - 3) / 3
    assert scores['abs_rel'] == pytest.approx(want, abs=1e-12)


def test_mask_follows_the_published_rectangles():
    gt = torch.ones(480, 640)
    rows, columns = torch.where(eval_mask(gt, crop='nyu_eigen'))
    assert (rows.min(), rows.max()) == (45, 470)
    assert (columns.min(), columns.max()) == (41, 600)
    # Rows and columns of the 375x1242 KITTI picture, as computed by
    # np.array([0.40810811 * h, ...]).astype(np.int32).
    rows, columns = torch.where(eval_mask(torch.ones(375, 1242), crop='garg'))
    assert (rows.min(), rows.max()) == (153, 370)
    assert (columns.min(), columns.max()) == (44, 1196)


@pytest.mark.parametrize('factor', [2, 3])
def test_the_nyu_crop_scales_with_the_picture(factor):
    small = eval_mask(torch.ones(480, 640), crop='nyu_eigen')
    large = eval_mask(torch.ones(480 * factor, 640 * factor), crop='nyu_eigen')
    repeated = small.repeat_interleave(factor, 0).repeat_interleave(factor, 1)
    assert torch.equal(large, repeated)


def test_mask_leaves_out_the_unmeasured_and_the_ends_of_the_range():
    gt = torch.tensor([[0.0, float('nan'), float('inf'), 1.0, 2.0, 5.0, -1]])
    mask = eval_mask(gt, min_depth=1.0, max_depth=5.0)
    assert mask.tolist() == [[False] * 4 + [True, False, False]]
    assert not eval_mask(torch.zeros(4, 4)).any()
    assert eval_mask(gt, 1.0, float('inf')).sum() == 2


@examples
@given(seed=seeds, mode=st.sampled_from(['none', 'median', 'affine']))
def test_masked_pixels_never_matter(make_case, seed, mode):
    pred, gt = make_case(seed, 9, 11)
    mask = eval_mask(gt)
    other = torch.where(mask, pred, torch.full_like(pred, 7.0))
    gt_other = torch.where(mask, gt, torch.full_like(gt, 3.0))
    first = depth_scores(align(pred, gt, mask, mode), gt, mask, (1e-3, 10))
    second = depth_scores(
        align(other, gt_other, mask, mode), gt_other, mask, (1e-3, 10)
    )
    assert first == second
    assert first['d1'] <= first['d2'] <= first['d3']


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


def test_wrong_arguments_are_named(make_case):
    pred, gt = make_case(4)
    mask = eval_mask(gt)
    with pytest.raises(ValueError, match='crop'):
        eval_mask(gt, crop='eigen')
    with pytest.raises(ValueError, match=r'\(H, W\)'):
        eval_mask(gt[None])
    with pytest.raises(ValueError, match='alignment'):
        align(pred, gt, mask, 'shift')
    with pytest.raises(ValueError, match='no pixel'):
        align(pred, gt, mask & False, 'none')
    with pytest.raises(ValueError, match='share one shape'):
        depth_scores(pred[:-1], gt, mask)
    with pytest.raises(ValueError, match='not positive'):
        depth_scores(0 * pred, gt, mask)
