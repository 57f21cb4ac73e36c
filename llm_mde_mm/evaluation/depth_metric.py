"""Depth scores averaged over pictures, as an MMEngine metric."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmseg.registry import METRICS
from torch import Tensor

from .constant_baseline import ConstantBaseline, constant_scores
from .functional import (
    ALIGNMENTS,
    CROPS,
    SCORES,
    align,
    depth_scores,
    eval_mask,
)
from .report import protocol_sentence, score_table


class NonFinitePredictionError(ValueError):
    """A predicted depth map holds NaN or infinity."""


@METRICS.register_module()
class MonocularDepthMetric(BaseMetric):
    """Scores of metric depth after the protocol of Eigen (arXiv 1406.2283).

    Each picture is scored at its own size and counts once, however many
    valid pixels it has. A picture without any is left out and reported. Only
    numbers are kept until the end: nine a picture and alignment, and with
    ``constant_baseline`` 1,800 more.

    Args:
        min_depth (float): Depth in [m] above which ground truth counts.
            Defaults to 1e-3.
        max_depth (float): Depth in [m] below which it counts. Predictions
            are clamped to this range after the alignment. Defaults to 10.
        crop (str, optional): ``'nyu_eigen'``, ``'garg'`` or None, see
            :func:`eval_mask`. Defaults to ``'nyu_eigen'``.
        alignment (str | Sequence[str]): One or several of ``'none'``,
            ``'median'``, ``'scale'``, ``'affine'``, see :func:`align`. The
            first one's scores have plain names such as ``abs_rel``, the
            others' a suffix as in ``abs_rel_median``.
        constant_baseline (bool): Whether to find the constant depth with the
            lowest Abs Rel on these pictures and report it as
            ``constant_abs_rel`` and ``constant_depth`` in [m].
        collect_device (str): Where MMEngine gathers the results of several
            processes, ``'cpu'`` or ``'gpu'``. Defaults to ``'cpu'``.
        prefix (str, optional): Prefix of the names of the scores.
        collect_dir (str, optional): Shared folder for ``'cpu'``.

    Attributes:
        per_picture (list[dict]): After ``evaluate``, in the main process,
            one dict a picture: ``img_path``, ``pixels`` (the number scored)
            and ``scores``, None for a picture without a valid pixel.

    Raises:
        ValueError: If the range, the crop or an alignment is not usable.
    """

    # Not None, which BaseMetric takes for a forgotten prefix.
    default_prefix = ''

    def __init__(
        self,
        min_depth: float = 1e-3,
        max_depth: float = 10.0,
        crop: str | None = 'nyu_eigen',
        alignment: str | Sequence[str] = 'none',
        constant_baseline: bool = False,
        collect_device: str = 'cpu',
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(
            collect_device=collect_device,
            prefix=prefix,
            collect_dir=collect_dir,
        )
        modes = (alignment,) if isinstance(alignment, str) else alignment
        _check_protocol(min_depth, max_depth, crop, modes)
        self.min_depth = min_depth
        self.max_depth = max_depth
        self.crop = crop
        self.alignments = tuple(modes)
        self.constant_baseline = constant_baseline
        self.constants = self._baseline().constants
        self.per_picture: list[dict] = []

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Score each picture of a batch.

        Args:
            data_batch (Any): Not read.
            data_samples (Sequence[dict]): Data samples with
                ``pred_depth_map`` and ``gt_depth_map``, whose ``data`` are
                (1, H, W) in [m], and ``img_path``.

        Raises:
            ValueError: If a prediction is not of its ground truth's size.
            NonFinitePredictionError: If a prediction holds NaN or infinity.
        """
        for sample in data_samples:
            path = str(sample.get('img_path', '(no img_path)'))
            pred, gt = _read_maps(sample, path)
            mask = eval_mask(gt, self.min_depth, self.max_depth, self.crop)
            result: dict[str, Any] = dict(
                img_path=path, pixels=int(mask.sum()), scores=None
            )
            if result['pixels']:
                result['scores'] = self._score(pred, gt, mask)
                if self.constant_baseline:
                    # Not summed here: only when all processes' results are
                    # collected is it known which pictures are padding.
                    scores = constant_scores(gt, mask, self.constants)
                    result['constants'] = scores.astype(np.float32)
            # Also without a score: padding is told by its position.
            self.results.append(result)

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Average the scores over pictures and log a table.

        Args:
            results (list[dict]): What ``process`` kept, of all processes.

        Returns:
            dict[str, float]: The scores, ``pictures`` (the number averaged),
            ``skipped`` (the number without a valid pixel) and, with the
            baseline, ``constant_abs_rel`` and ``constant_depth``.

        Raises:
            RuntimeError: If no picture has a valid pixel.
        """
        scored = [r for r in results if r['scores'] is not None]
        skipped = len(results) - len(scored)
        if not scored:
            raise RuntimeError(
                f'none of {len(results)} pictures has ground truth between '
                f'{self.min_depth:g} and {self.max_depth:g} m in crop '
                f'{self.crop!r}: look at the unit of the depth files'
            )
        if skipped:
            print_log(
                f'{skipped} of {len(results)} pictures have no valid ground '
                'truth and were left out of the averages',
                logger='current',
                level=logging.WARNING,
            )
        metrics, rows = self._average(scored)
        metrics.update(pictures=len(scored), skipped=skipped)
        self.per_picture = [
            {k: r[k] for k in ('img_path', 'pixels', 'scores')}
            for r in results
        ]
        sentence = protocol_sentence(
            len(scored), skipped, self.min_depth, self.max_depth, self.crop
        )
        print_log(f'{sentence}\n{score_table(rows)}', logger='current')
        return metrics

    def _average(
        self, scored: list[dict]
    ) -> tuple[dict[str, float], list[tuple[str, list[float]]]]:
        """Average over pictures, as metrics and as rows of the table."""
        metrics: dict[str, float] = {
            name: float(np.mean([r['scores'][name] for r in scored]))
            for name in scored[0]['scores']
        }
        rows = [
            (f'alignment: {mode}', [metrics[n] for n in self._names(mode)])
            for mode in self.alignments
        ]
        if self.constant_baseline:
            baseline = self._baseline()
            for r in scored:
                baseline.add(r['constants'])
            depth, scores = baseline.compute()
            metrics['constant_abs_rel'] = scores['abs_rel']
            metrics['constant_depth'] = depth
            rows.append(
                (f'best constant ({depth:.2f} m)', list(scores.values()))
            )
        return metrics, rows

    def _names(self, mode: str) -> list[str]:
        """Names under which an alignment's scores are reported."""
        suffix = '' if mode == self.alignments[0] else f'_{mode}'
        return [name + suffix for name in SCORES]

    def _baseline(self) -> ConstantBaseline:
        """An empty baseline: 0.3 to 10 m, in proportion to the range."""
        lowest = max(self.min_depth, 0.03 * self.max_depth)
        return ConstantBaseline(lowest, self.max_depth)

    def _score(
        self, pred: Tensor, gt: Tensor, mask: Tensor
    ) -> dict[str, float]:
        """Score one picture under every alignment, in order of ``_names``."""
        scores: dict[str, float] = {}
        for mode in self.alignments:
            aligned = align(pred, gt, mask, mode)
            values = depth_scores(
                aligned, gt, mask, clamp=(self.min_depth, self.max_depth)
            )
            scores.update(zip(self._names(mode), values.values(), strict=True))
        return scores


def _read_maps(sample: dict, path: str) -> tuple[Tensor, Tensor]:
    """Read prediction and ground truth (H, W) of one data sample."""
    maps = []
    for name in ('pred_depth_map', 'gt_depth_map'):
        entry = sample[name]
        data = entry['data'] if isinstance(entry, dict) else entry.data
        maps.append(torch.as_tensor(data))
    pred, gt = maps
    if pred.shape != gt.shape or gt.ndim != 3 or gt.shape[0] != 1:
        raise ValueError(
            f'{path}: the prediction is {tuple(pred.shape)} and the '
            f'ground truth {tuple(gt.shape)}; both must be (1, H, W), at '
            "the picture's own size"
        )
    if not bool(torch.isfinite(pred).all()):
        raise NonFinitePredictionError(
            f'{path}: the predicted depth holds NaN or infinity'
        )
    return pred[0], gt[0].to(pred.device)


def _check_protocol(
    min_depth: float,
    max_depth: float,
    crop: str | None,
    alignments: Sequence[str],
) -> None:
    """Raise ValueError unless the arguments name a protocol."""
    if not 0 < min_depth < max_depth < float('inf'):
        raise ValueError(
            f'need 0 < min_depth < max_depth, got {min_depth}, {max_depth}'
        )
    if crop not in CROPS:
        raise ValueError(f'crop must be one of {CROPS}, got {crop!r}')
    if not alignments or len(set(alignments)) != len(alignments):
        raise ValueError(f'need each alignment once, got {alignments}')
    if not set(alignments) <= set(ALIGNMENTS):
        raise ValueError(
            f'alignments must be in {ALIGNMENTS}, got {alignments}'
        )
