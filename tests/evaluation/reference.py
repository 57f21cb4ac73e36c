"""Depth scores written a second time, in float64 NumPy, pixel by pixel."""

import numpy as np


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
        silog=100 * np.sqrt(np.mean(log**2) - np.mean(log) ** 2),
        d1=np.mean(delta < 1.25),
        d2=np.mean(delta < 1.25**2),
        d3=np.mean(delta < 1.25**3),
    )


def aligned(pred, gt, mask, mode):
    pred = np.asarray(pred, np.float64)
    p = pred[np.asarray(mask)]
    g = np.asarray(gt, np.float64)[np.asarray(mask)]
    if mode == 'none':
        return pred
    if mode == 'median':
        return pred * (np.median(g) / np.median(p))
    ones = [np.ones_like(p)] if mode == 'affine' else []
    system = np.stack([p, *ones], 1)
    solution = np.linalg.lstsq(system, g, rcond=None)[0]
    return pred * solution[0] + (solution[1] if ones else 0.0)
