"""The words and the table in which depth scores are logged, and their file."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from prettytable import PrettyTable

from llm_mde_mm.utils.depth_io import write_bytes

from .functional import SCORES
from .protocols import Protocol

_CROP_WORDS = {
    None: 'no crop',
    'nyu_eigen': "the NYU Eigen crop scaled to the picture's size",
    'garg': 'the Garg crop',
}
_ALIGNMENT_WORDS = {
    'none': 'no alignment',
    'median': 'aligned by the ratio of the medians',
    'scale': 'aligned by a least-squares factor',
    'affine': 'aligned by least-squares scale and shift in depth',
    'disparity': 'aligned by least-squares scale and shift in disparity',
}
_AVERAGE_WORDS = {
    'per_image': 'averages over pictures',
    'pooled': 'pooled over the pixels of all pictures',
}
_MIN_MAX_WORDS = (
    'prediction and ground truth each scaled to 0..1 by its own minimum and '
    'maximum over all pixels, no measurement counted as 0, what is below '
    '0.001 raised to it; thresholds only'
)
_FLIP_WORDS = (
    'each prediction averaged with that of the mirrored picture (flip '
    'test-time augmentation)'
)
_UNITS = {'sq_rel': ' [m]', 'rmse': ' [m]'}


def protocol_words(protocol: Protocol, flip_tta: bool = False) -> str:
    """Say in words how scores were computed.

    Args:
        protocol (Protocol): The protocol.
        flip_tta (bool): Whether the predictions are flip-averaged.

    Returns:
        str: The protocol's name and its rules; no full stop at the end.
    """
    parts = [_FLIP_WORDS] if flip_tta else []
    if protocol.min_max:
        parts.append(_MIN_MAX_WORDS)
    else:
        first, *others = protocol.alignment
        alignment = _ALIGNMENT_WORDS[first]
        if first != 'none':
            alignment = f'predicted {protocol.predictions} {alignment}'
        if first == 'disparity':
            alignment += f', {protocol.max_depth:g} m at most'
        if others:
            alignment += f' (beside it: {", ".join(others)})'
        parts += [
            f'ground truth from {protocol.min_depth:g} to '
            f'{protocol.max_depth:g} m',
            _CROP_WORDS[protocol.crop],
            alignment,
            'predictions clamped to that range'
            if protocol.clamp
            else 'predictions not clamped',
        ]
    name = protocol.name
    if protocol.changed:
        name += f' with another {", ".join(protocol.changed)}'
    return f'{name}: {", ".join([*parts, _AVERAGE_WORDS[protocol.average]])}'


def protocol_settings(
    protocol: Protocol, flip_tta: bool = False, bootstrap: int = 0
) -> dict[str, Any]:
    """The same as keys and values, for programs.

    Args:
        protocol (Protocol): The protocol.
        flip_tta (bool): Whether the predictions are flip-averaged.
        bootstrap (int): Number of bootstrap resamples.

    Returns:
        dict[str, Any]: Ready for JSON; None for a key that does not apply.
    """
    keys: dict[str, Any] = dict(
        min_depth=protocol.min_depth,
        max_depth=protocol.max_depth,
        crop=protocol.crop,
        alignment=list(protocol.alignment),
        clamp=protocol.clamp,
        predictions=protocol.predictions,
    )
    if protocol.min_max:
        keys = dict.fromkeys(keys)
    return dict(
        name=protocol.name,
        **keys,
        average=protocol.average,
        min_max=protocol.min_max,
        flip_tta=flip_tta,
        bootstrap_resamples=bootstrap,
    )


def headline(words: str, pictures: int, skipped: int, bootstrap: int) -> str:
    """The line above a table of scores.

    Args:
        words (str): The protocol in words.
        pictures (int): Number of pictures averaged.
        skipped (int): Number left out for want of valid ground truth.
        bootstrap (int): Number of bootstrap resamples, 0 for no interval.

    Returns:
        str: One line.
    """
    interval = (
        f'; 95 % interval of {bootstrap} bootstrap resamples of the pictures'
        if bootstrap
        else ''
    )
    return (
        f'Depth scores of {pictures} pictures ({skipped} skipped without '
        f'valid ground truth). Protocol {words}{interval}. Lower is better, '
        'but for d1 to d3 higher is better:'
    )


def score_table(rows: Sequence[tuple[str, Sequence[float]]]) -> str:
    """Lay scores out in columns, one row an alignment, interval or baseline.

    Args:
        rows (Sequence): Pairs of a row's name and its nine scores in the
            order of ``SCORES``; NaN is shown as a dash.

    Returns:
        str: The table, plain ASCII for logs of any encoding.
    """
    table = PrettyTable()
    names = [name + _UNITS.get(name, '') for name in SCORES]
    table.field_names = ['', *names]
    table.align = 'r'
    table.align[''] = 'l'
    for name, scores in rows:
        table.add_row(
            [name, *('-' if math.isnan(v) else f'{v:.4f}' for v in scores)]
        )
    return table.get_string()


def collect_reports(metrics: Iterable[Any]) -> dict[str, Any]:
    """What the metrics of an evaluator report, in one dict.

    Args:
        metrics (Iterable[BaseMetric]): Evaluated; those without a ``report``
            add nothing.
    """
    collected: dict[str, Any] = {}
    for metric in metrics:
        if hasattr(metric, 'report'):
            collected.update(metric.report())
    return collected


def write_report(path: str | Path, report: Mapping[str, Any]) -> None:
    """Write scores as JSON; the folder is made if need be.

    Args:
        path (str | Path): The file.
        report (Mapping[str, Any]): Scores and what else belongs to them.
    """
    text = json.dumps(report, indent=2)
    write_bytes(Path(path), (text + '\n').encode())
