"""One picture's scores under a protocol."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from llm_mde_mm.utils.errors import DataError

from .alignment import align
from .functional import SCORES, eval_mask, min_max_deltas, score_values
from .protocols import Protocol


class NonFinitePredictionError(DataError):
    """A predicted depth map holds NaN or infinity where it is scored."""


def scored_pixels(gt: Tensor, protocol: Protocol) -> Tensor:
    """Select the pixels of one picture that a protocol scores.

    Args:
        gt (Tensor): Ground truth (H, W) in [m].
        protocol (Protocol): The protocol.

    Returns:
        Tensor: Boolean (H, W). Under a min-max protocol all pixels, or none
        if nothing was measured.
    """
    if protocol.min_max:
        measured = gt.isfinite() & (gt > 0)
        return measured.any().expand_as(gt)
    return eval_mask(gt, *protocol.depth_range, protocol.crop)


def picture_values(
    pred: Tensor, gt: Tensor, mask: Tensor, protocol: Protocol
) -> np.ndarray:
    """Score one predicted map under each alignment of a protocol.

    Args:
        pred (Tensor): Prediction (H, W).
        gt (Tensor): Ground truth (H, W) in [m].
        mask (Tensor): Boolean (H, W), from :func:`scored_pixels`.
        protocol (Protocol): The protocol with A alignments.

    Returns:
        ndarray: (A, 10), float64, as
        :func:`llm_mde_mm.evaluation.functional.score_values` gives them; NaN
        where the protocol does not score.

    Raises:
        ValueError: If the mask is empty, or a prediction that is not clamped
            is not positive there.
    """
    if protocol.min_max:
        values = np.full((1, len(SCORES) + 1), np.nan)
        values[0, SCORES.index('d1') : -1] = min_max_deltas(pred, gt).numpy()
        return values
    is_disparity = protocol.predictions == 'disparity'
    rows = []
    for mode in protocol.alignment:
        fitted = align(
            pred, gt, mask, mode, protocol.depth_range, is_disparity
        )
        rows.append(score_values(fitted, gt, mask, protocol.clamp_range))
    return torch.stack(rows).numpy()


def read_maps(
    sample: Mapping[str, Any], path: str, protocol: Protocol
) -> tuple[Tensor, Tensor, Tensor]:
    """Read prediction and ground truth of one data sample.

    Args:
        sample (Mapping[str, Any]): With ``pred_depth_map`` and
            ``gt_depth_map``, whose ``data`` are (1, H, W).
        path (str): What to call the sample in a message.
        protocol (Protocol): Which pixels are scored. What a prediction holds
            elsewhere does not matter.

    Returns:
        tuple[Tensor, Tensor, Tensor]: Both and the mask of
        :func:`scored_pixels`, (H, W), on the prediction's device.

    Raises:
        DataError: If the prediction is not of its ground truth's size.
        NonFinitePredictionError: If it holds NaN or infinity where it is
            scored.
    """
    maps = []
    for name in ('pred_depth_map', 'gt_depth_map'):
        entry = sample[name]
        data = entry['data'] if isinstance(entry, dict) else entry.data
        maps.append(torch.as_tensor(data))
    pred, gt = maps
    if pred.shape != gt.shape or gt.ndim != 3 or gt.shape[0] != 1:
        raise DataError(
            f'{path}: the prediction is {tuple(pred.shape)} and the '
            f'ground truth {tuple(gt.shape)}; both must be (1, H, W), at '
            "the picture's own size"
        )
    pred, gt = pred[0], gt[0].to(pred.device)
    mask = scored_pixels(gt, protocol)
    if not bool(pred[mask].isfinite().all()):
        raise NonFinitePredictionError(
            f'{path}: the predicted depth holds NaN or infinity where the '
            'protocol scores it'
        )
    return pred, gt, mask
