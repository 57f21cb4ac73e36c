"""Depth losses as pure functions: one value a picture, masked.

B pictures of H x W pixels, depth in metres, 0 = no measurement. Half precision
is summed in float32. The losses are ``(B,)`` values that are finite, with
finite gradients, whatever stands on the pixels that are not valid, NaN
included, and for any prediction and target on the others but NaN: beyond
1e6 m they count as 1e6 m. A picture without a valid pixel gives 0.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

# The square root of a loss is steep at 0: this much is added below it.
_ROOT_EPS = 1e-6
_MIN_DEPTH = 1e-3
# Squares and their sums stay far from float32's end.
_MAX_DEPTH = 1e6


def valid_depth(target: Tensor, max_depth: float | None = None) -> Tensor:
    """Bool mask of pixels with a measurement, up to ``max_depth`` metres."""
    valid = torch.isfinite(target) & (target > 0)
    return valid if max_depth is None else valid & (target <= max_depth)


def wide(values: Tensor) -> Tensor:
    """In float32 at least: sums of half precision lose their digits."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _masked_mean(values: Tensor, valid: Tensor) -> Tensor:
    """Mean over the valid pixels of each picture, 0 where there is none."""
    count = valid.flatten(1).sum(1).clamp(min=1)
    return torch.where(valid, values, 0.0).flatten(1).sum(1) / count


def scale_and_shift(
    prediction: Tensor, target: Tensor, valid: Tensor
) -> tuple[Tensor, Tensor]:
    """Least-squares ``(s, t)`` with ``s * prediction + t`` near ``target``.

    MiDaS (arXiv 1907.01341), eq. 4, with s clamped at 0: an inverted map then
    costs as much as a constant one. A constant prediction gives s = 0.

    Returns:
        tuple[Tensor, Tensor]: ``(B,)`` each.
    """
    mean_p = _masked_mean(prediction, valid)
    mean_t = _masked_mean(target, valid)
    # Moments about the mean: the plain normal equations cancel in float32.
    p = prediction - mean_p.view(-1, 1, 1)
    t = target - mean_t.view(-1, 1, 1)
    variance = _masked_mean(p * p, valid)
    covariance = _masked_mean(p * t, valid)
    # The mean is rounded: a constant's variance is some 1e-13 of its square.
    singular = variance <= 1e-12 * (1 + mean_p.square())
    scale = covariance / torch.where(singular, 1.0, variance)
    scale = torch.where(singular, 0.0, scale).clamp(min=0)
    return scale, mean_t - scale * mean_p


def ssi_loss(
    prediction: Tensor,
    target: Tensor,
    valid: Tensor,
    gradient_weight: float = 0.0,
    num_scales: int = 4,
) -> Tensor:
    """Scale- and shift-invariant loss of MiDaS (arXiv 1907.01341, eq. 5, 11).

    ``1 / (2 M) sum (s p + t - d)^2`` over the M valid pixels, (s, t) in closed
    form for each picture, plus ``gradient_weight`` times the gradient term of
    the residual over ``num_scales`` halvings.

    Args:
        prediction (Tensor): ``(B, H, W)``.
        target (Tensor): ``(B, H, W)`` m.
        valid (Tensor): ``(B, H, W)`` bool.
        gradient_weight (float): MiDaS's alpha; 0 leaves the term out.
        num_scales (int): Scales of the gradient term.

    Returns:
        Tensor: ``(B,)``, in square metres (the gradient term in metres).
    """
    # Not only the sums are masked: 0 times NaN is NaN in the gradient.
    prediction, target = (
        torch.where(valid, wide(t), 0.0).clamp(-_MAX_DEPTH, _MAX_DEPTH)
        for t in (prediction, target)
    )
    scale, shift = scale_and_shift(prediction, target, valid)
    residual = (
        scale.view(-1, 1, 1) * prediction + shift.view(-1, 1, 1) - target
    )
    loss = _masked_mean(residual.square(), valid) / 2
    if gradient_weight:
        loss = loss + gradient_weight * gradient_term(
            residual, valid, num_scales
        )
    return loss


def gradient_term(
    residual: Tensor, valid: Tensor, num_scales: int = 4
) -> Tensor:
    """Multi-scale gradient matching (arXiv 1907.01341, eq. 11), ``(B,)``.

    The mean over the valid pixels of a scale of the absolute differences
    between horizontal and vertical neighbours that are both valid, summed
    over the scales; every scale drops every other row and column.
    """
    residual = torch.where(valid, residual, 0.0)
    total = residual.new_zeros(residual.shape[0])
    for step in (2**k for k in range(num_scales)):
        r, m = residual[:, ::step, ::step], valid[:, ::step, ::step]
        count = m.flatten(1).sum(1).clamp(min=1)
        for axis in (1, 2):
            both = m.narrow(axis, 1, m.shape[axis] - 1) & m.narrow(
                axis, 0, m.shape[axis] - 1
            )
            change = r.diff(dim=axis).abs()
            total = (
                total
                + torch.where(both, change, 0.0).flatten(1).sum(1) / count
            )
    return total


def silog_loss(
    prediction: Tensor,
    target: Tensor,
    valid: Tensor,
    variance_focus: float = 0.5,
    gradient_weight: float = 0.0,
    num_scales: int = 4,
) -> Tensor:
    """Scale-invariant logarithmic loss (Eigen et al., arXiv 1406.2283, eq. 4).

    ``sqrt(mean(g^2) - variance_focus * mean(g)^2)`` with g the difference of
    the logarithms; the root as in BTS (arXiv 1907.10326), softened by 1e-6
    below it so that its gradient stays finite at a perfect prediction. Plus
    ``gradient_weight`` times the gradient term of g, as MegaDepth has it
    (arXiv 1804.00607, eq. 3).

    Args:
        prediction (Tensor): ``(B, H, W)`` m, clamped at 1 mm from below.
        target (Tensor): ``(B, H, W)`` m, likewise.
        valid (Tensor): ``(B, H, W)`` bool.
        variance_focus (float): 1 ignores the scale, 0 is the log RMSE.
        gradient_weight (float): Weight of the gradient term; 0 leaves it
            out.
        num_scales (int): Scales of the gradient term.

    Returns:
        Tensor: ``(B,)``, without a unit.
    """
    log_prediction, log_target = (
        torch.where(valid, wide(t), 1.0).clamp(_MIN_DEPTH, _MAX_DEPTH).log()
        for t in (prediction, target)
    )
    g = log_prediction - log_target
    mean = _masked_mean(g, valid)
    centred = _masked_mean((g - mean.view(-1, 1, 1)).square(), valid)
    under_root = centred + (1 - variance_focus) * mean.square()
    loss = (under_root + _ROOT_EPS).sqrt() - _ROOT_EPS**0.5
    if gradient_weight:
        loss = loss + gradient_weight * gradient_term(g, valid, num_scales)
    return loss


def resize_depth(depth: Tensor, size: Sequence[int]) -> Tensor:
    """Bilinear resize of ``(B, 1, H, W)`` depth, in float32 at least."""
    depth = wide(depth)
    if tuple(depth.shape[-2:]) == tuple(size):
        return depth
    return F.interpolate(
        depth, size=tuple(size), mode='bilinear', align_corners=False
    )
