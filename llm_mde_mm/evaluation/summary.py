"""From the values of single pictures to named averages and intervals."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .averages import average, bootstrap_interval
from .functional import SCORES
from .protocols import Protocol


class Summary(NamedTuple):
    """Averages of several pictures.

    Attributes:
        scores: Averages by name, None where the protocol computes none.
        intervals: Ends of the 95 % intervals by name, as in ``abs_rel_ci95``;
            empty without them.
        rows: Names and nine values each, for the table.
    """

    scores: dict[str, float | None]
    intervals: dict[str, list[float] | None]
    rows: list[tuple[str, Sequence[float]]]


def score_names(protocol: Protocol) -> list[list[str]]:
    """Names of the nine scores under each alignment of a protocol.

    Args:
        protocol (Protocol): The protocol.

    Returns:
        list[list[str]]: ``abs_rel`` under the first, ``abs_rel_median``
        under another.
    """
    return [
        [name + (f'_{mode}' if index else '') for name in SCORES]
        for index, mode in enumerate(protocol.alignment)
    ]


def named_values(
    values: np.ndarray | None, protocol: Protocol
) -> dict[str, float | None] | None:
    """One picture's scores by name.

    Args:
        values (ndarray | None): (A, 10), from ``picture_values``; None for a
            picture that was left out.
        protocol (Protocol): The protocol.

    Returns:
        dict[str, float | None] | None: None for what the protocol does not
        compute, and in place of all for a picture that was left out.
    """
    if values is None:
        return None
    named: dict[str, float | None] = {}
    for names, row in zip(score_names(protocol), values, strict=True):
        named.update(zip(names, _or_none(row[: len(SCORES)]), strict=True))
    return named


def summarise(
    values: np.ndarray, pixels: np.ndarray, protocol: Protocol, bootstrap: int
) -> Summary:
    """Average the scores of P pictures under A alignments.

    Args:
        values (ndarray): (P, A, 10), from ``picture_values``.
        pixels (ndarray): (P,), the numbers of pixels that were scored.
        protocol (Protocol): The protocol.
        bootstrap (int): Resamples of the intervals; 0 for none. Fewer than
            two pictures have none either.

    Returns:
        Summary: Averages, intervals and rows of the table.
    """
    summary = Summary({}, {}, [])
    how = protocol.average
    for index, names in enumerate(score_names(protocol)):
        each = values[:, index]
        row = average(each, pixels, how)
        summary.scores.update(zip(names, _or_none(row), strict=True))
        mode = 'min-max' if protocol.min_max else protocol.alignment[index]
        summary.rows.append((f'alignment: {mode}', row.tolist()))
        ends = bootstrap_interval(each, pixels, how, bootstrap)
        if ends is None:
            continue
        low, high = ends.tolist()
        summary.rows.extend([('  95 % from', low), ('  95 % to', high)])
        for name, pair in zip(names, ends.T.tolist(), strict=True):
            known = not math.isnan(pair[0])
            summary.intervals[f'{name}_ci95'] = pair if known else None
    return summary


def _or_none(row: np.ndarray) -> list[float | None]:
    return [None if math.isnan(value) else value for value in row.tolist()]
