"""Scores of one predicted depth map, as pure functions on one picture.

The scores are those of Eigen et al. (arXiv 1406.2283, section 4.1), with the
SILog of the KITTI depth benchmark; the alignments are those of the MiDaS
protocol (arXiv 1907.01341). Depth is in [m] and every sum is accumulated in
float64.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

SCORES = (
    'abs_rel',
    'sq_rel',
    'rmse',
    'rmse_log',
    'log10',
    'silog',
    'd1',
    'd2',
    'd3',
)
"""Names of the scores, in the order in which tables show them."""

ALIGNMENTS = ('none', 'median', 'scale', 'affine')
"""Names of the alignments that :func:`align` knows."""

# A spread below this share of the prediction's own magnitude is the rounding
# of float32 (its epsilon is 1.2e-7), not structure that could be stretched.
_SINGULAR = 2e-7


class _Crop(NamedTuple):
    """A rectangle as fractions of the picture's height and width."""

    top: float
    bottom: float
    left: float
    right: float
    rounding: float


# The NYU rectangle is given in whole pixels of 480x640, hence rounding to
# the nearest border; Garg's is given in fractions that its users truncate.
_CROPS = {
    'nyu_eigen': _Crop(45 / 480, 471 / 480, 41 / 640, 601 / 640, 0.5),
    'garg': _Crop(0.40810811, 0.99189189, 0.03594771, 0.96405229, 0.0),
}
CROPS = (None, *_CROPS)
"""Names of the crops that :func:`eval_mask` knows."""


def eval_mask(
    gt: Tensor,
    min_depth: float = 1e-3,
    max_depth: float = 10.0,
    crop: str | None = None,
) -> Tensor:
    """Select the pixels of one picture that are scored.

    ``'nyu_eigen'`` is rows 45 to 471 and columns 41 to 601 of a 480x640
    picture (Eigen et al., arXiv 1406.2283), the ends excluded. At any other
    size the four borders are scaled and rounded to the nearest pixel, halves
    upwards. ``'garg'`` is the rectangle of Garg et al. (arXiv 1603.04992) for
    KITTI, its borders truncated to whole pixels as is usual.

    Args:
        gt (Tensor): Ground truth (H, W) in [m]. 0 and non-finite values mean
            that nothing was measured.
        min_depth (float): Depth in [m] above which a pixel counts.
        max_depth (float): Depth in [m] below which a pixel counts.
        crop (str, optional): ``'nyu_eigen'``, ``'garg'`` or None.

    Returns:
        Tensor: Boolean mask (H, W).

    Raises:
        ValueError: If ``gt`` is not (H, W) or the crop is unknown.
    """
    if gt.ndim != 2:
        raise ValueError(f'gt must be (H, W), got {tuple(gt.shape)}')
    if crop not in CROPS:
        raise ValueError(f'crop must be one of {CROPS}, got {crop!r}')
    mask = (gt > min_depth) & (gt < max_depth)
    if crop is None:
        return mask

    height, width = gt.shape
    box = _CROPS[crop]
    rows = slice(
        math.floor(box.top * height + box.rounding),
        math.floor(box.bottom * height + box.rounding),
    )
    columns = slice(
        math.floor(box.left * width + box.rounding),
        math.floor(box.right * width + box.rounding),
    )
    inside = torch.zeros_like(mask)
    inside[rows, columns] = True
    return mask & inside


def align(pred: Tensor, gt: Tensor, mask: Tensor, mode: str) -> Tensor:
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
            both in depth, not in disparity. A prediction without a positive
            median or factor is returned as it is; one that is constant, or
            that falls where the ground truth rises, becomes the ground
            truth's mean under ``'affine'``.

    Returns:
        Tensor: Aligned prediction (H, W), float64, in [m].

    Raises:
        ValueError: If the mode is unknown, the shapes differ or the mask is
            empty.
    """
    if mode not in ALIGNMENTS:
        raise ValueError(f'alignment must be in {ALIGNMENTS}, got {mode!r}')
    p, g = _masked(pred, gt, mask)
    pred = pred.double()
    if mode == 'none':
        return pred
    if mode == 'affine':
        scale, shift = _fit_affine(p, g)
        return pred * scale + shift
    if mode == 'median':
        numerator, denominator = _median(g), _median(p)
    else:
        numerator, denominator = (p * g).sum(), (p * p).sum()
    positive = (numerator > 0) & (denominator > 0)
    return torch.where(positive, pred * (numerator / denominator), pred)


def depth_scores(
    pred: Tensor,
    gt: Tensor,
    mask: Tensor,
    clamp: tuple[float, float] | None = None,
) -> dict[str, float]:
    r"""Score one predicted depth map.

    With :math:`e = \log p - \log g` over the masked pixels, ``silog`` is
    :math:`100 \sqrt{\mathrm{mean}(e^2) - \mathrm{mean}(e)^2}`, the definition
    of the KITTI depth benchmark. (MMSegmentation's ``DepthMetric`` subtracts
    half of the square and does not multiply by 100.)

    Args:
        pred (Tensor): Prediction (H, W) in [m].
        gt (Tensor): Ground truth (H, W) in [m], positive under the mask.
        mask (Tensor): Boolean (H, W), the pixels to score.
        clamp (tuple[float, float], optional): Range in [m] to which the
            prediction is clamped first.

    Returns:
        dict[str, float]: One value for each name in ``SCORES``. ``sq_rel``
        and ``rmse`` are in [m], ``d1`` to ``d3`` are shares in 0..1.

    Raises:
        ValueError: If the shapes differ, the mask is empty, or the
            prediction is not positive there.
    """
    p, g = _masked(pred, gt, mask)
    if clamp is not None:
        p = p.clamp(*clamp)
    if not bool((p > 0).all()):
        raise ValueError(
            'the prediction has values that are not positive under the mask; '
            'clamp it to the range of depths that is scored'
        )
    error = (p - g).abs()
    log_error = p.log() - g.log()
    ratio = torch.maximum(p / g, g / p)
    values = (
        (error / g).mean(),
        (error.square() / g).mean(),
        error.square().mean().sqrt(),
        log_error.square().mean().sqrt(),
        log_error.abs().mean() / math.log(10.0),
        100.0 * log_error.var(correction=0).sqrt(),
        *((ratio < 1.25**k).double().mean() for k in (1, 2, 3)),
    )
    # One transfer to the host, not nine.
    return dict(zip(SCORES, torch.stack(values).tolist(), strict=True))


def _masked(pred: Tensor, gt: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Check the shapes and return both maps' masked pixels, float64."""
    if pred.ndim != 2 or pred.shape != gt.shape or gt.shape != mask.shape:
        raise ValueError(
            'pred, gt and mask must share one shape (H, W), got '
            f'{tuple(pred.shape)}, {tuple(gt.shape)}, {tuple(mask.shape)}'
        )
    p, g = pred[mask].double(), gt[mask].double()
    if p.numel() == 0:
        raise ValueError('the mask selects no pixel')
    return p, g


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
