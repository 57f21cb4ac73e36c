"""Averages of scores over pictures or pixels, and how sure they are.

P pictures, each with the ten values of
:func:`llm_mde_mm.evaluation.functional.score_values`: what all pixels of all
pictures together score follows from them and the numbers of pixels, so that
no pixel has to be kept.
"""

import numpy as np

from .functional import SCORES

_ROOTS = [SCORES.index('rmse'), SCORES.index('rmse_log')]
_SILOG = SCORES.index('silog')


def average(values: np.ndarray, pixels: np.ndarray, how: str) -> np.ndarray:
    """Average the scores of P pictures.

    Args:
        values (ndarray): (P, 10), the nine scores and the mean error of the
            logarithm of each picture.
        pixels (ndarray): (P,), the numbers of pixels that were scored.
        how (str): ``'per_image'``: each picture counts once; a score's mean.
            ``'pooled'``: each pixel counts once, as if all pictures were one.

    Returns:
        ndarray: (9,), in the order of ``SCORES``. A score that was not
        computed, NaN in all rows, is NaN.
    """
    return _weighted(values, np.ones(len(values)), pixels, how)


def bootstrap_interval(
    values: np.ndarray,
    pixels: np.ndarray,
    how: str,
    resamples: int = 1000,
    seed: int = 0,
) -> np.ndarray | None:
    """95 % interval of the averages by the percentile bootstrap.

    P pictures are drawn from the P with replacement, each with all of its
    pixels, and averaged; the interval holds the middle 95 % of the outcomes.
    Pictures count as independent: for frames of one room it is too narrow.

    Args:
        values (ndarray): (P, 10), as in :func:`average`.
        pixels (ndarray): (P,), as in :func:`average`.
        how (str): As in :func:`average`.
        resamples (int): Number of draws.
        seed (int): Seed of the draws.

    Returns:
        ndarray | None: (2, 9), lower and upper ends, in the order of
        ``SCORES``; None for fewer than two pictures or no resamples.
    """
    count = len(values)
    if count < 2 or resamples < 1:
        return None
    draw = np.random.default_rng(seed)
    outcomes = np.empty((resamples, len(SCORES)))
    for row in outcomes:
        picked = draw.integers(0, count, count)
        times = np.bincount(picked, minlength=count)
        row[:] = _weighted(values, times, pixels, how)
    return np.percentile(outcomes, (2.5, 97.5), axis=0)


def _weighted(
    values: np.ndarray, times: np.ndarray, pixels: np.ndarray, how: str
) -> np.ndarray:
    """Averages (9,) of pictures of which each is there so many times."""
    weights = times * pixels if how == 'pooled' else times
    weights = weights / weights.sum()
    if how == 'per_image':
        return weights @ values[:, :-1]
    scores, bias = values[:, :-1].copy(), values[:, -1]
    scores[:, _ROOTS] **= 2
    scores[:, _SILOG] **= 2
    means = weights @ scores
    # The variance of all pixels: within pictures, and between their means.
    between = weights @ (bias - weights @ bias) ** 2
    means[_SILOG] = 100 * np.sqrt(means[_SILOG] / 1e4 + between)
    means[_ROOTS] = np.sqrt(means[_ROOTS])
    return means
