"""Depth scores written a second time, in float64 NumPy, pixel by pixel."""

from fractions import Fraction

import numpy as np


def mask(gt, low, high, crop):
    gt = np.asarray(gt, np.float64)
    inside = np.zeros(gt.shape, bool)
    height, width = gt.shape
    if crop is None:
        inside[:] = True
    elif crop == 'nyu_eigen':
        half = Fraction(1, 2)
        top, bottom = (
            int(Fraction(r * height, 480) + half) for r in (45, 471)
        )
        left, right = (int(Fraction(c * width, 640) + half) for c in (41, 601))
        inside[top:bottom, left:right] = True
    else:
        top, bottom, left, right = np.array(
            [
                0.40810811 * height,
                0.99189189 * height,
                0.03594771 * width,
                0.96405229 * width,
            ]
        ).astype(np.int32)
        inside[top:bottom, left:right] = True
    return inside & np.isfinite(gt) & (low < gt) & (gt < high)


def scores(pred, gt, mask):
    p = np.asarray(pred, np.float64)[np.asarray(mask)]
    g = np.asarray(gt, np.float64)[np.asarray(mask)]
    delta = np.maximum(p / g, g / p)
    log = np.log(p) - np.log(g)
    return dict(
        abs_rel=np.mean(np.abs(p - g) / g),
        sq_rel=np.mean((p - g) ** 2 / g),
        rmse=np.sqrt(np.mean((p - g) ** 2)),
        rmse_log=np.sqrt(np.mean(log**2)),
        log10=np.mean(np.abs(np.log10(p) - np.log10(g))),
        silog=100 * np.sqrt(np.mean((log - np.mean(log)) ** 2)),
        d1=np.mean(delta < 1.25),
        d2=np.mean(delta < 1.25**2),
        d3=np.mean(delta < 1.25**3),
    )


def aligned(pred, gt, mask, mode, low=1e-3, high=10.0, is_disparity=False):
    pred = np.asarray(pred, np.float64)
    p = pred[np.asarray(mask)]
    g = np.asarray(gt, np.float64)[np.asarray(mask)]
    if mode == 'none':
        return pred
    if mode == 'median':
        return pred * (np.median(g) / np.median(p))
    if mode == 'scale':
        return pred * np.linalg.lstsq(p[:, None], g, rcond=None)[0][0]
    if mode == 'affine':
        scale, shift = _line(p, g)
        return pred * scale + shift
    disparity = pred if is_disparity else 1 / np.maximum(pred, low)
    scale, shift = _line(disparity[np.asarray(mask)], 1 / g)
    fitted = disparity * scale + shift
    depth = np.full_like(fitted, high)
    near = fitted > 1 / high
    depth[near] = 1 / fitted[near]
    return depth


def _line(x, y):
    """Slope of 0 or more and intercept of the least squares."""
    if np.ptp(x) == 0:
        return 0.0, np.mean(y)
    slope, intercept = np.polyfit(x, y, 1)
    return (slope, intercept) if slope > 0 else (0.0, np.mean(y))


def min_max_deltas(pred, gt):
    maps = []
    for values in (pred, gt):
        values = np.asarray(values, np.float64)
        low, high = np.min(values), np.max(values)
        maps.append(np.maximum((values - low) / (high - low), 1e-3))
    delta = np.maximum(maps[0] / maps[1], maps[1] / maps[0])
    return [np.mean(delta < 1.25**k) for k in (1, 2, 3)]
