"""The best constant depth in hindsight: what any model has to beat.

A model that answers one fixed depth everywhere can look respectable on a
split whose rooms are alike. This module finds the constant with the lowest
Abs Rel on the very pictures that are scored, without holding their pixels.
"""

import math

import numpy as np
import torch
from torch import Tensor

from .functional import SCORES

_MM_PER_M = 1000.0


def candidate_constants(
    lowest: float = 0.3, highest: float = 10.0, count: int = 200
) -> np.ndarray:
    """Depths to try, spaced evenly in their logarithm.

    Args:
        lowest (float): Smallest candidate in [m].
        highest (float): Largest candidate in [m].
        count (int): Number of candidates.

    Returns:
        ndarray: Ascending candidates (C,) in [m], float64.

    Raises:
        ValueError: If the range is not positive and ascending or the count
            is below 2.
    """
    if not 0 < lowest < highest:
        raise ValueError(f'need 0 < {lowest} < {highest} for the constants')
    if count < 2:
        raise ValueError(f'need at least 2 constants, got {count}')
    return np.geomspace(lowest, highest, count)


def constant_scores(
    gt: Tensor, mask: Tensor, constants: np.ndarray
) -> np.ndarray:
    """Score every constant on one picture.

    The ground truth is rounded to whole millimetres (what a 16-bit depth
    file holds) and counted; every score of every constant then follows from
    moments and cumulative sums over the depths present, not over pixels.

    Args:
        gt (Tensor): Ground truth (H, W) in [m], positive under the mask.
        mask (Tensor): Boolean (H, W), the pixels to score.
        constants (ndarray): Candidates (C,) in [m].

    Returns:
        ndarray: Scores (S, C), float64, rows in the order of ``SCORES``.

    Raises:
        ValueError: If the mask is empty.
    """
    millimetres = (gt[mask].double() * _MM_PER_M).round().long()
    if millimetres.numel() == 0:
        raise ValueError('the mask selects no pixel')
    # Half a millimetre and less would round to a depth of zero.
    histogram = torch.bincount(millimetres.clamp(min=1)).cpu().numpy()
    present = np.flatnonzero(histogram)
    depth = present / _MM_PER_M
    share = histogram[present] / histogram.sum()
    log_depth, log_c = np.log(depth), np.log(constants)

    mean, inverse = share @ depth, share @ (1 / depth)
    variance = share @ np.square(depth - mean)
    log_mean = share @ log_depth
    log_variance = share @ np.square(log_depth - log_mean)
    nearer = np.searchsorted(depth, constants)
    below = _cumulative(share)
    below_inverse = _cumulative(share / depth)[nearer]
    below_log = _cumulative(share * log_depth)[nearer]
    # mean |c - x| = (part below c) - (part above c), with x = 1 and c / g
    # for Abs Rel and x = log g for log10.
    below_share = below[nearer]
    abs_rel = constants * (2 * below_inverse - inverse)
    abs_rel += 1 - 2 * below_share
    log_abs = log_c * (2 * below_share - 1) + log_mean - 2 * below_log
    rows = [
        abs_rel,
        constants**2 * inverse - 2 * constants + mean,
        np.sqrt(np.square(constants - mean) + variance),
        np.sqrt(np.square(log_c - log_mean) + log_variance),
        log_abs / math.log(10.0),
        np.full_like(constants, 100 * math.sqrt(log_variance)),
    ]
    for k in (1, 2, 3):
        first = np.searchsorted(depth, constants / 1.25**k, side='right')
        last = np.searchsorted(depth, constants * 1.25**k, side='left')
        rows.append(below[last] - below[first])
    # Cancellation may leave -1e-17 where a constant is exact.
    return np.maximum(np.stack(rows), 0.0)


def _cumulative(values: np.ndarray) -> np.ndarray:
    """Sums of the first 0, 1, ..., K entries of (K,), as (K + 1,)."""
    return np.concatenate([[0.0], np.cumsum(values)])


class ConstantBaseline:
    """Best constant over a stream of pictures, in constant memory.

    The state is a (9, C) sum and a count, whatever the number of pictures.

    Args:
        lowest (float): Smallest constant that is tried, in [m].
        highest (float): Largest constant that is tried, in [m].
        count (int): Number C of constants, spaced evenly in their logarithm.
            200 from 0.3 to 10 m are 1.8 % apart.

    Raises:
        ValueError: If the range or the count is not usable.
    """

    def __init__(
        self,
        lowest: float = 0.3,
        highest: float = 10.0,
        count: int = 200,
    ) -> None:
        self.constants = candidate_constants(lowest, highest, count)
        self.total = np.zeros((len(SCORES), count))
        self.pictures = 0

    def add(self, scores: np.ndarray) -> None:
        """Count one picture's scores, as :func:`constant_scores` returns them.

        Args:
            scores (ndarray): Scores (9, C).

        Raises:
            ValueError: If the shape is not (9, C).
        """
        if scores.shape != self.total.shape:
            raise ValueError(
                f'scores must be {self.total.shape}, got {scores.shape}'
            )
        self.total += scores
        self.pictures += 1

    def compute(self) -> tuple[float, dict[str, float]]:
        """Find the constant with the lowest mean Abs Rel.

        Returns:
            tuple[float, dict[str, float]]: The constant in [m] (the nearest
            of equals) and its scores, averaged over pictures.

        Raises:
            RuntimeError: If no picture was counted.
        """
        if self.pictures == 0:
            raise RuntimeError('no picture was counted')
        mean = self.total / self.pictures
        best = int(mean[SCORES.index('abs_rel')].argmin())
        scores = dict(zip(SCORES, mean[:, best].tolist(), strict=True))
        return float(self.constants[best]), scores
