import math

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_mde_mm.evaluation.alignment import ALIGNMENTS, align
from llm_mde_mm.evaluation.functional import (
    CROPS,
    SCORES,
    depth_scores,
    eval_mask,
    min_max_deltas,
)

examples = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
seeds = st.integers(0, 10_000)


def test_a_thousand_cases_agree_with_numpy(make_case, load_beside):
    """Crop, range, each alignment and each score, at sizes of all kinds."""
    reference = load_beside('reference')
    draw = np.random.default_rng(0)
    scored = 0
    for seed in range(1000):
        pred, gt = make_case(seed, *draw.integers(8, 40, 2).tolist())
        crop = CROPS[seed % len(CROPS)]
        mode = ALIGNMENTS[seed % len(ALIGNMENTS)]
        low, high = [(1e-3, 10.0), (0.8, 6.0), (2.0, 80.0)][seed // 5 % 3]
        mask = eval_mask(gt, low, high, crop)
        assert np.array_equal(mask, reference.mask(gt, low, high, crop))
        if not mask.any():
            continue
        is_disparity = mode == 'disparity' and seed % 2 == 0
        if is_disparity:
            pred = 3 + 700 / pred
        elif seed % 7 == 0:
            # Near and far turned round: no fit may turn it back.
            pred = 10 - pred
        arguments = (mask, mode, (low, high), is_disparity)
        ours = align(pred, gt, *arguments)
        theirs = reference.aligned(
            pred, gt, mask, mode, low, high, is_disparity
        )
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)
        got = depth_scores(ours, gt, mask, clamp=(low, high))
        want = reference.scores(np.clip(theirs, low, high), gt, mask)
        assert tuple(got) == SCORES
        for name in SCORES:
            assert abs(got[name] - want[name]) <= 1e-6, (seed, name)
        np.testing.assert_allclose(
            min_max_deltas(pred, gt),
            reference.min_max_deltas(pred, gt),
            atol=1e-6,
        )
        scored += 1
    assert scored > 990


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


@pytest.mark.parametrize('crop', ['nyu_eigen', 'garg'])
def test_the_crops_at_every_size(load_beside, crop):
    """Halves of a pixel, at multiples of 80 rows or 64 columns, included."""
    reference = load_beside('reference')
    for size in range(1, 1300):
        for shape in ((size, 16), (16, size)):
            gt = torch.ones(shape)
            want = reference.mask(gt, 0.5, 2.0, crop)
            got = eval_mask(gt, 0.5, 2.0, crop)
            assert np.array_equal(got, want), shape


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
@given(seed=seeds, mode=st.sampled_from(ALIGNMENTS))
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


def test_min_max_deltas_by_hand():
    # Normalised: 0, 1/2, 1 and a hole counted as 0; the floor is 0.001.
    gt = torch.tensor([[0.0, 2.0, 4.0]])
    pred = torch.tensor([[3.0, 4.1, 5.0]])
    assert min_max_deltas(pred, gt).tolist() == [1.0, 1.0, 1.0]
    pred = torch.tensor([[3.0, 3.7, 5.0]])
    # 0.35 for 0.5 is a factor of 1.43, within 1.25 ** 2.
    assert min_max_deltas(pred, gt).tolist() == pytest.approx([2 / 3, 1, 1])


def test_min_max_deltas_of_a_constant_are_finite():
    gt = torch.tensor([[float('nan'), -1.0, 0.0, 4.0]])
    got = min_max_deltas(torch.full((1, 4), 2.0), gt)
    assert got.tolist() == [0.75, 0.75, 0.75]


def test_wrong_arguments_are_named(make_case):
    pred, gt = make_case(4)
    mask = eval_mask(gt)
    with pytest.raises(ValueError, match='crop'):
        eval_mask(gt, crop='eigen')
    with pytest.raises(ValueError, match=r'\(H, W\)'):
        eval_mask(gt[None])
    with pytest.raises(ValueError, match='no pixel'):
        depth_scores(pred, gt, mask & False)
    with pytest.raises(ValueError, match='share one shape'):
        depth_scores(pred[:-1], gt, mask)
    with pytest.raises(ValueError, match='not positive'):
        depth_scores(0 * pred, gt, mask)
