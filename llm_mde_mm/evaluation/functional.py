"""Scores of one predicted depth map, as pure functions on one picture.

The scores are those of Eigen et al. (arXiv 1406.2283, section 4.1), with the
SILog of the KITTI depth benchmark. Depth is in [m] and every sum is
accumulated in float64.
"""

import math

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


_BOUNDS = tuple(1.25**k for k in (1, 2, 3))

# Top, bottom, left, right: whole pixels of 480x640; shares of the picture.
_NYU_BOX = (45, 471, 41, 601)
_GARG_BOX = (0.40810811, 0.99189189, 0.03594771, 0.96405229)

CROPS = (None, 'nyu_eigen', 'garg')
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

    top, bottom, left, right = _box(crop, *gt.shape)
    inside = torch.zeros_like(mask)
    inside[top:bottom, left:right] = True
    return mask & inside


def _box(crop: str, height: int, width: int) -> list[int]:
    """Borders of a crop in pixels: top, bottom, left, right."""
    sizes = (height, height, width, width)
    if crop == 'garg':
        return [int(b * n) for b, n in zip(_GARG_BOX, sizes, strict=True)]
    # Whole numbers throughout: a fraction such as 601 / 640 is inexact, and
    # 901.5 of 960 columns would be rounded down.
    wholes = (480, 480, 640, 640)
    return [
        (2 * border * size + whole) // (2 * whole)
        for border, size, whole in zip(_NYU_BOX, sizes, wholes, strict=True)
    ]


def depth_scores(
    pred: Tensor,
    gt: Tensor,
    mask: Tensor,
    clamp: tuple[float, float] | None = None,
) -> dict[str, float]:
    """Score one predicted depth map.

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
        ValueError: See :func:`score_values`.
    """
    values = score_values(pred, gt, mask, clamp)[: len(SCORES)]
    return dict(zip(SCORES, values.tolist(), strict=True))


def score_values(
    pred: Tensor,
    gt: Tensor,
    mask: Tensor,
    clamp: tuple[float, float] | None = None,
) -> Tensor:
    r"""Score one predicted depth map, with what pooling the pixels needs.

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
        Tensor: (10,), float64: the nine of ``SCORES`` and :math:`\mathrm{mean}
        (e)`, from which and the number of pixels the scores of several
        pictures' pixels together follow.

    Raises:
        ValueError: If the shapes differ, the mask is empty, or the
            prediction is not positive there.
    """
    p, g = masked_pixels(pred, gt, mask)
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
        *((ratio < bound).double().mean() for bound in _BOUNDS),
        log_error.mean(),
    )
    # One transfer to the host, not ten.
    return torch.stack(values).cpu()


def min_max_deltas(pred: Tensor, gt: Tensor) -> Tensor:
    """Threshold scores as the reference code of arXiv 2409.01133 has them.

    Prediction and ground truth are each moved and scaled to 0..1 by their own
    minimum and maximum over all pixels, those without a measurement counted
    as 0 m; what is below 1e-3 is raised to it. A constant map, for which the
    reference code gives NaN, becomes 1e-3 throughout.

    Args:
        pred (Tensor): Prediction (H, W), finite, of any unit.
        gt (Tensor): Ground truth (H, W); what is not finite or below 0 counts
            as 0.

    Returns:
        Tensor: (3,), float64: ``d1`` to ``d3``.
    """
    measured = gt.isfinite() & (gt > 0)
    p = _min_max(pred.double())
    g = _min_max(torch.where(measured, gt.double(), 0.0))
    ratio = torch.maximum(p / g, g / p)
    deltas = [(ratio < bound).double().mean() for bound in _BOUNDS]
    return torch.stack(deltas).cpu()


def _min_max(values: Tensor) -> Tensor:
    values = values - values.min()
    largest = values.max()
    return (values / largest.where(largest > 0, 1.0)).clamp(min=1e-3)


def masked_pixels(
    pred: Tensor, gt: Tensor, mask: Tensor
) -> tuple[Tensor, Tensor]:
    """Both maps' masked pixels (K,), float64.

    Args:
        pred (Tensor): Prediction (H, W).
        gt (Tensor): Ground truth (H, W).
        mask (Tensor): Boolean (H, W).

    Raises:
        ValueError: If the shapes differ or the mask is empty.
    """
    if pred.ndim != 2 or pred.shape != gt.shape or gt.shape != mask.shape:
        raise ValueError(
            'pred, gt and mask must share one shape (H, W), got '
            f'{tuple(pred.shape)}, {tuple(gt.shape)}, {tuple(mask.shape)}'
        )
    p, g = pred[mask].double(), gt[mask].double()
    if p.numel() == 0:
        raise ValueError('the mask selects no pixel')
    return p, g
