import numpy as np
import pytest

from llm_mde_mm.evaluation.averages import average, bootstrap_interval


@pytest.fixture
def table():
    """Values of 40 pictures and their numbers of pixels."""
    draw = np.random.default_rng(0)
    return draw.random((40, 10)), draw.integers(1, 500, 40).astype(float)


@pytest.mark.parametrize('how', ['per_image', 'pooled'])
def test_the_interval_is_that_of_resampled_pictures(table, how):
    """By repeating rows, where the code weighs them."""
    values, pixels = table
    draw = np.random.default_rng(7)
    outcomes = []
    for _ in range(300):
        picked = draw.integers(0, 40, 40)
        outcomes.append(average(values[picked], pixels[picked], how))
    want = np.quantile(outcomes, [0.025, 0.975], axis=0)
    got = bootstrap_interval(values, pixels, how, 300, seed=7)
    np.testing.assert_allclose(got, want, atol=1e-12)


def test_the_interval_of_a_mean_is_the_normal_one():
    draw = np.random.default_rng(1)
    values = draw.normal(3, 2, (2000, 10))
    low, high = bootstrap_interval(values, np.ones(2000), 'per_image', 4000)
    error = values[:, :9].std(0) / np.sqrt(2000)
    mean = values[:, :9].mean(0)
    np.testing.assert_allclose(low, mean - 1.96 * error, atol=0.006)
    np.testing.assert_allclose(high, mean + 1.96 * error, atol=0.006)


def test_the_interval_depends_on_the_seed_alone(table):
    values, pixels = table
    first, again, other = (
        bootstrap_interval(values, pixels, 'pooled', 50, seed)
        for seed in (0, 0, 1)
    )
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    state = np.random.get_state()[1].copy()
    bootstrap_interval(values, pixels, 'pooled', 50)
    assert np.array_equal(np.random.get_state()[1], state)


def test_pooled_scores_weigh_by_pixels():
    values = np.zeros((2, 10))
    values[0, [0, 2, 6]] = 0.4, 3.0, 1.0
    values[1, [0, 2, 6]] = 0.1, 1.0, 0.5
    values[:, 9] = 0.3, -0.1
    pixels = np.array([1.0, 3.0])
    pooled = average(values, pixels, 'pooled')
    assert pooled[0] == pytest.approx((0.4 + 3 * 0.1) / 4)
    assert pooled[2] == pytest.approx(np.sqrt((9 + 3) / 4))
    assert pooled[6] == pytest.approx((1 + 3 * 0.5) / 4)
    # No spread within a picture: that of 0.3 and three times -0.1 is left.
    assert pooled[5] == pytest.approx(100 * np.std([0.3, -0.1, -0.1, -0.1]))
    each = average(values, pixels, 'per_image')
    assert each[2] == 2.0 and each[5] == 0.0


def test_what_was_not_computed_stays_so(table):
    values, pixels = table
    values[:, :6] = np.nan
    assert np.isnan(average(values, pixels, 'per_image')[:6]).all()
    ends = bootstrap_interval(values, pixels, 'per_image', 20)
    assert np.isnan(ends[:, :6]).all() and np.isfinite(ends[:, 6:]).all()


def test_no_interval(table):
    values, pixels = table
    assert bootstrap_interval(values[:1], pixels[:1], 'pooled') is None
    assert bootstrap_interval(values, pixels, 'pooled', 0) is None
