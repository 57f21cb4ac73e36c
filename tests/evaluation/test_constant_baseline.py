import numpy as np
import pytest
import torch

from llm_mde_mm.evaluation.constant_baseline import (
    ConstantBaseline,
    candidate_constants,
    constant_scores,
)
from llm_mde_mm.evaluation.functional import SCORES, depth_scores, eval_mask


def _pictures(make_case, count=4):
    return [make_case(seed, 15, 20 + seed)[1] for seed in range(count)]


def _brute_force(gt, constants):
    """Score every constant as if it were a predicted depth map."""
    mask = eval_mask(gt)
    columns = [
        depth_scores(torch.full_like(gt, c, dtype=torch.float64), gt, mask)
        for c in constants
    ]
    return np.array([[c[name] for c in columns] for name in SCORES])


@pytest.mark.parametrize('seed', range(3))
def test_a_histogram_scores_as_all_pixels_do(make_case, seed):
    gt = (make_case(seed)[1].double() * 1000).round() / 1000
    constants = candidate_constants(count=40)
    got = constant_scores(gt, eval_mask(gt), constants)
    np.testing.assert_allclose(got, _brute_force(gt, constants), atol=1e-9)


def test_rounding_to_millimetres_costs_next_to_nothing(make_case):
    gt = make_case(0)[1]
    constants = candidate_constants(count=40)
    got = constant_scores(gt, eval_mask(gt), constants)
    want = _brute_force(gt, constants)
    np.testing.assert_allclose(got[:5], want[:5], atol=2e-3)


def test_a_picture_of_one_depth():
    gt = torch.full((4, 5), 2.0, dtype=torch.float64)
    scores = constant_scores(gt, gt > 0, np.array([1.0, 2.0, 4.0]))
    np.testing.assert_allclose(scores[0], [0.5, 0.0, 1.0], atol=1e-12)
    np.testing.assert_allclose(scores[2], [1.0, 0.0, 2.0], atol=1e-12)
    np.testing.assert_allclose(scores[6:, 1], 1.0)


def test_depths_below_half_a_millimetre_are_finite():
    gt = torch.tensor([[0.0003, 1.0]])
    assert np.isfinite(constant_scores(gt, gt > 0, np.array([1.0]))).all()


def test_the_best_constant_over_pictures(make_case):
    pictures = _pictures(make_case)
    baseline = ConstantBaseline()
    for gt in pictures:
        baseline.add(constant_scores(gt, eval_mask(gt), baseline.constants))
    constant, scores = baseline.compute()
    mean = np.mean(
        [_brute_force(gt, baseline.constants) for gt in pictures], 0
    )
    best = mean[0].argmin()
    assert constant == baseline.constants[best]
    assert tuple(scores) == SCORES
    assert scores['abs_rel'] == pytest.approx(mean[0, best], abs=1e-3)
    assert scores['rmse'] == pytest.approx(mean[2, best], abs=1e-3)


def test_candidates_are_even_in_their_logarithm():
    constants = candidate_constants(0.3, 10.0, 200)
    assert (constants[0], constants[-1]) == pytest.approx((0.3, 10.0))
    steps = np.diff(np.log(constants))
    np.testing.assert_allclose(steps, np.log(10 / 0.3) / 199)


def test_wrong_use_is_named(make_case):
    gt = make_case(0)[1]
    with pytest.raises(RuntimeError, match='no picture'):
        ConstantBaseline().compute()
    with pytest.raises(ValueError, match='no pixel'):
        constant_scores(gt, gt < 0, candidate_constants())
    with pytest.raises(ValueError, match='constants'):
        candidate_constants(0.0, 1.0)
    with pytest.raises(ValueError, match='at least 2'):
        candidate_constants(count=1)
    with pytest.raises(ValueError, match='scores must be'):
        ConstantBaseline().add(np.zeros((9, 3)))
