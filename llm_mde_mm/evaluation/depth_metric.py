"""Depth scores averaged over pictures, as an MMEngine metric."""

import logging
import os
from collections.abc import Sequence
from os.path import splitext
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmseg.registry import METRICS

from llm_mde_mm.datasets.splits import first_names
from llm_mde_mm.utils.errors import ConfigError, DataError

from .constant_baseline import ConstantBaseline, constant_scores
from .protocols import Protocol, get_protocol
from .report import headline, protocol_settings, protocol_words, score_table
from .scoring import picture_values, read_maps
from .summary import named_values, summarise


@METRICS.register_module()
class MonocularDepthMetric(BaseMetric):
    """Scores of predicted depth under a named protocol.

    Each picture is scored at its own size. One without a pixel to score is
    left out and reported. Only numbers are kept until the end: ten a picture
    and alignment, and with ``constant_baseline`` 1,800 more.

    Args:
        protocol (str): ``'nyu'``, ``'midas'`` or ``'reference_code'``, see
            :func:`get_protocol`. Defaults to ``'nyu'``.
        constant_baseline (bool): Whether to find the constant depth with the
            lowest Abs Rel on these pictures and report it as
            ``constant_abs_rel`` and ``constant_depth`` in [m]. It is
            averaged over pictures.
        bootstrap (int): Resamples of the bootstrap that gives each score its
            95 % interval; 0 for none. Defaults to 1000.
        collect_device (str): Where MMEngine gathers the results of several
            processes, ``'cpu'`` or ``'gpu'``. Defaults to ``'cpu'``.
        prefix (str, optional): Prefix of the names of the scores.
        collect_dir (str, optional): Shared folder for ``'cpu'``. Defaults to
            one in the run's log folder.
        **changes: Keys of the protocol to change: ``min_depth``,
            ``max_depth``, ``crop``, ``alignment``, ``clamp``, ``average``,
            ``predictions``, see :class:`Protocol`. With several alignments
            the first one's scores have plain names such as ``abs_rel``, the
            others' a suffix as in ``abs_rel_median``.

    Attributes:
        per_picture (list[dict]): After ``evaluate``, in the main process,
            one dict a picture: ``img_path``, ``pixels`` (the number scored)
            and ``scores``, None for a picture without a valid pixel.

    Raises:
        ConfigError: If the protocol or a key does not exist, a value is not
            usable, or there is no constant to compare with.
    """

    # Not None, which BaseMetric takes for a forgotten prefix.
    default_prefix = ''

    def __init__(
        self,
        protocol: str = 'nyu',
        constant_baseline: bool = False,
        bootstrap: int = 1000,
        collect_device: str = 'cpu',
        prefix: str | None = None,
        collect_dir: str | None = None,
        **changes: Any,
    ) -> None:
        super().__init__(
            collect_device=collect_device,
            prefix=prefix,
            collect_dir=collect_dir,
        )
        self.protocol = get_protocol(protocol, **changes)
        per_image = self.protocol.average == 'per_image'
        if constant_baseline and (self.protocol.min_max or not per_image):
            raise ConfigError(
                'constant_baseline is scored in metres and averaged over '
                f'pictures, protocol {protocol!r} as configured is not: '
                'leave it out'
            )
        if bootstrap < 0:
            raise ConfigError(f'bootstrap must be 0 or more, got {bootstrap}')
        self.constant_baseline = constant_baseline
        self.bootstrap = bootstrap
        self.constants = _baseline(self.protocol).constants
        self.per_picture: list[dict] = []
        self._report: dict[str, Any] = {}

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Score each picture of a batch.

        Args:
            data_batch (Any): Not read.
            data_samples (Sequence[dict]): Data samples with
                ``pred_depth_map`` and ``gt_depth_map``, whose ``data`` are
                (1, H, W) in [m], ``img_path`` and, if the prediction is
                flip-averaged, ``flip_tta=True``.

        Raises:
            DataError: If a prediction is not of its ground truth's size or,
                not clamped, not positive.
            NonFinitePredictionError: If a prediction holds NaN or infinity
                where it is scored.
        """
        for sample in data_samples:
            path = str(sample.get('img_path', '(no img_path)'))
            pred, gt, mask = read_maps(sample, path, self.protocol)
            result: dict[str, Any] = dict(
                img_path=path,
                pixels=int(mask.sum()),
                values=None,
                flip_tta=bool(sample.get('flip_tta', False)),
            )
            if result['pixels']:
                try:
                    result['values'] = picture_values(
                        pred, gt, mask, self.protocol
                    )
                except ValueError as error:
                    raise DataError(f'{path}: {error}') from error
                if self.constant_baseline:
                    # Not summed here: only when all processes' results are
                    # collected is it known which pictures are padding.
                    scores = constant_scores(gt, mask, self.constants)
                    result['constants'] = scores.astype(np.float32)
            # Also without a score: padding is told by its position.
            self.results.append(result)

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Average the scores and log a table.

        Args:
            results (list[dict]): What ``process`` kept, of all processes.

        Returns:
            dict[str, float]: The scores, ``pictures`` (the number averaged),
            ``skipped`` (the number without a valid pixel) and, with the
            baseline, ``constant_abs_rel`` and ``constant_depth``.

        Raises:
            DataError: If no picture has a valid pixel.
        """
        scored = _scored(results, self.protocol)
        summary = summarise(
            np.stack([r['values'] for r in scored]),
            np.array([r['pixels'] for r in scored], np.float64),
            self.protocol,
            self.bootstrap,
        )
        counts = dict(pictures=len(scored), skipped=len(results) - len(scored))
        constant, row = _constant(scored, self.protocol)
        flip_tta = any(r['flip_tta'] for r in scored)
        words = protocol_words(self.protocol, flip_tta)
        resamples = self.bootstrap if summary.intervals else 0
        self.per_picture = [
            dict(
                img_path=r['img_path'],
                pixels=r['pixels'],
                scores=named_values(r['values'], self.protocol),
            )
            for r in results
        ]
        self._report = dict(
            **summary.scores,
            **counts,
            protocol=words,
            protocol_settings=protocol_settings(
                self.protocol, flip_tta, resamples
            ),
            **summary.intervals,
            **constant,
        )
        line = headline(words, **counts, bootstrap=resamples)
        table = score_table([*summary.rows, *row])
        print_log(f'{line}\n{table}', logger='current')
        computed = {k: v for k, v in summary.scores.items() if v is not None}
        return {**computed, **constant, **counts}

    def report(self) -> dict[str, Any]:
        """All that belongs into a file of scores.

        Returns:
            dict[str, Any]: Ready for JSON, after ``evaluate`` in the main
            process: each score (None if the protocol does not compute it),
            ``pictures``, ``skipped``, ``protocol`` (in words),
            ``protocol_settings``, each score's 95 % interval such as
            ``abs_rel_ci95``, and the constant. Names bear the prefix.

        Raises:
            RuntimeError: If nothing was evaluated.
        """
        if not self._report:
            raise RuntimeError('nothing was evaluated in this process')
        start = f'{self.prefix}/' if self.prefix else ''
        return {start + key: value for key, value in self._report.items()}


def _scored(results: list[dict], protocol: Protocol) -> list[dict]:
    """The results with a score, in the order of their names.

    The draws of the bootstrap go by position: files that are read in another
    order shall have the same interval.

    Raises:
        DataError: If there is none.
    """
    empty = [r['img_path'] for r in results if r['values'] is None]
    if len(empty) == len(results):
        raise DataError(
            f'none of {len(results)} pictures has a pixel to score '
            f'({protocol_words(protocol)}): look at the unit of the depth '
            'files'
        )
    if empty:
        print_log(
            f'{len(empty)} of {len(results)} pictures have no valid ground '
            'truth and were left out of the averages: '
            f'{first_names(empty)}',
            logger='current',
            level=logging.WARNING,
        )
    return sorted(
        (r for r in results if r['values'] is not None),
        key=lambda r: splitext(r['img_path'])[0].split(os.sep),
    )


def _constant(
    scored: list[dict], protocol: Protocol
) -> tuple[dict[str, float], list[tuple[str, list[float]]]]:
    """Metrics and row of the best constant; empty if none was scored."""
    if 'constants' not in scored[0]:
        return {}, []
    baseline = _baseline(protocol)
    for r in scored:
        baseline.add(r['constants'])
    depth, scores = baseline.compute()
    metrics = dict(constant_abs_rel=scores['abs_rel'], constant_depth=depth)
    title = f'best constant ({depth:.2f} m)'
    return metrics, [(title, list(scores.values()))]


def _baseline(protocol: Protocol) -> ConstantBaseline:
    """An empty baseline: 0.3 to 10 m, in proportion to the range."""
    lowest, highest = protocol.depth_range
    return ConstantBaseline(max(lowest, 0.03 * highest), highest)
