"""Fits of a predicted depth map to its ground truth before scoring.

They follow the protocol of MiDaS (arXiv 1907.01341): closed-form least
squares, one fit a picture. Depth is in [m], disparity in [1/m] and every sum
is accumulated in float64.
"""

import torch
from torch import Tensor

from .functional import masked_pixels

ALIGNMENTS = ('none', 'median', 'scale', 'affine', 'disparity')
"""Names of the alignments that :func:`align` knows."""

# A spread below this share of the prediction's own magnitude is the rounding
# of float32 (its epsilon is 1.2e-7), not structure that could be stretched.
_SINGULAR = 2e-7


def align(
    pred: Tensor,
    gt: Tensor,
    mask: Tensor,
    mode: str,
    depth_range: tuple[float, float] = (1e-3, 10.0),
    is_disparity: bool = False,
) -> Tensor:
    """Fit one predicted depth map to its ground truth before scoring.

    No alignment may turn near and far round: the factor never becomes
    negative, so that an inverted map costs at least as much as a constant.

    Args:
        pred (Tensor): Prediction (H, W), finite where ``mask`` is set.
        gt (Tensor): Ground truth (H, W) in [m].
        mask (Tensor): Boolean (H, W), the pixels that the fit reads.
        mode (str): ``'none'`` changes nothing. ``'median'`` multiplies by
            the ratio of the medians (the mean of the middle two where their
            number is even). ``'scale'`` multiplies by the least-squares
            factor. ``'affine'`` applies the least-squares factor and shift,
            both in depth. ``'disparity'`` fits factor and shift to the
            ground truth's disparity, 1 / depth (arXiv 1907.01341), and turns
            the outcome back into depth; disparities of 1 / ``max_depth`` and
            less, negative ones among them, become ``max_depth``. A
            prediction without a positive median or factor is returned as it
            is; one that is constant, or that falls where the ground truth
            rises, becomes the ground truth's mean under ``'affine'`` and one
            over its mean disparity under ``'disparity'``.
        depth_range (tuple[float, float]): ``min_depth`` and ``max_depth`` in
            [m], read by ``'disparity'`` alone. Predicted depth below
            ``min_depth`` is raised to it before it is inverted.
        is_disparity (bool): Whether ``pred`` is a disparity of unknown scale
            and shift, which ``'disparity'`` alone accepts.

    Returns:
        Tensor: Aligned prediction (H, W), float64, in [m].

    Raises:
        ValueError: If the mode is unknown or does not accept disparity, the
            shapes differ or the mask is empty.
    """
    if mode not in ALIGNMENTS:
        raise ValueError(f'alignment must be in {ALIGNMENTS}, got {mode!r}')
    if is_disparity and mode != 'disparity':
        raise ValueError(f'alignment {mode!r} does not accept disparity')
    p, g = masked_pixels(pred, gt, mask)
    pred = pred.double()
    if mode == 'none':
        return pred
    if mode == 'affine':
        scale, shift = _fit_affine(p, g)
        return pred * scale + shift
    if mode == 'disparity':
        nearest, farthest = depth_range
        if not is_disparity:
            p, pred = (1 / x.clamp(min=nearest) for x in (p, pred))
        scale, shift = _fit_affine(p, 1 / g)
        return 1 / (pred * scale + shift).clamp(min=1 / farthest)
    if mode == 'median':
        numerator, denominator = _median(g), _median(p)
    else:
        numerator, denominator = (p * g).sum(), (p * p).sum()
    positive = (numerator > 0) & (denominator > 0)
    return torch.where(positive, pred * (numerator / denominator), pred)


def _median(values: Tensor) -> Tensor:
    """Median of (K,), the mean of the middle two if K is even."""
    # torch.median takes the lower of the middle two. Beside it, quantile
    # refuses large pictures and kthvalue deterministic algorithms on a GPU.
    return (values.median() - (-values).median()) / 2


def _fit_affine(p: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    """Least-squares scale >= 0 and shift from ``p`` (K,) to ``g`` (K,)."""
    p_mean, g_mean = p.mean(), g.mean()
    variance = (p - p_mean).square().mean()
    covariance = ((p - p_mean) * (g - g_mean)).mean()
    singular = variance <= _SINGULAR**2 * p.square().mean()
    scale = torch.where(singular, 0.0, covariance / variance).clamp(min=0)
    return scale, g_mean - scale * p_mean
