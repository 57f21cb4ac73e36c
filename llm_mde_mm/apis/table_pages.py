"""Results of a table by row: mean, spread over seeds, CSV and curves."""

import csv
import io
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from llm_mde_mm.evaluation.functional import SCORES

_COSTS = (
    'train_seconds',
    'peak_bytes',
    'gpu_bytes',
    'parameters',
    'trained_parameters',
    'checkpoint_bytes',
    'epochs',
    'best_epoch',
)


class Row(NamedTuple):
    """All seeds of a row.

    Attributes:
        name (str): Its name.
        title (str): In words.
        results (list[dict]): One a seed.
    """

    name: str
    title: str
    results: list[dict[str, Any]]

    def values(self, *path: str) -> list[float]:
        """Values of the seeds that have one, such as of 'epochs'."""
        found = []
        for result in self.results:
            value: Any = result
            for key in path:
                value = (value or {}).get(key)
            if value is not None:
                found.append(value)
        return found

    def pictures(self) -> int:
        """Training pictures, the mean over the seeds."""
        return round(
            statistics.fmean(self.values('splits', 'train', 'pictures'))
        )


def group_rows(results: Iterable[dict[str, Any]]) -> list[Row]:
    """Put the results of a row together; rows keep their order."""
    rows: dict[str, Row] = {}
    for result in results:
        name = result['row']
        row = rows.setdefault(name, Row(name, result['title'], []))
        row.results.append(result)
    return list(rows.values())


def spread(values: Sequence[float]) -> float | None:
    """Standard deviation of a sample; None of fewer than two values."""
    return statistics.stdev(values) if len(values) > 1 else None


def score_splits(rows: Iterable[Row]) -> list[str]:
    """Names of what was scored: 'val', 'test' and scenes, in order."""
    return list(
        dict.fromkeys(
            split
            for row in rows
            for result in row.results
            for split in result['scores']
        )
    )


def same_digests(
    rows: Iterable[Row], split: str, also: Mapping[str, Any] | None = None
) -> bool:
    """Whether all rows are scored on the same pictures.

    Args:
        rows (Iterable[Row]): The rows.
        split (str): Which pictures: 'val', 'test', or a scene of 'test'.
        also (Mapping[str, Any] | None): Further pictures, by
            ``describe_split``.
    """
    key = 'val' if split == 'val' else 'test'
    digests = {
        digest
        for row in rows
        for digest in row.values('splits', key, 'digest')
    }
    if also is not None:
        digests.add(also['digest'])
    return len(digests) < 2


def series_of(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Rows that are a curve: three or more called ``<series>_<number>``."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        match = re.fullmatch(r'(.+)_\d+', row.name)
        if match:
            found.setdefault(match.group(1), []).append(row)
    return {name: part for name, part in found.items() if len(part) > 2}


def csv_text(rows: Sequence[Row]) -> str:
    """All scores and costs, a line a row, split and score.

    An ablation's scores are called ``<ablation>.<score>``.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator='\n')
    writer.writerow(
        ['row', 'pictures', 'split', 'score', 'seeds', 'mean', 'std', 'values']
    )

    def add(row: Row, split: str, name: str, values: Sequence[float]) -> None:
        if values:
            deviation = spread(values)
            writer.writerow(
                [
                    *(row.name, row.pictures(), split, name, len(values)),
                    f'{statistics.fmean(values):.6g}',
                    '' if deviation is None else f'{deviation:.6g}',
                    ' '.join(f'{value:.6g}' for value in values),
                ]
            )

    scores = [
        name + end for end in ('', '_median', '_affine') for name in SCORES
    ]
    for row in rows:
        for split in score_splits([row]):
            for name in (*scores, 'constant_abs_rel'):
                add(row, split, name, row.values('scores', split, name))
            for part in ablation_names([row], split):
                for name in scores:
                    values = row.values('ablations', split, part, name)
                    add(row, split, f'{part}.{name}', values)
        for name in _COSTS:
            add(row, '', name, row.values(name))
    return stream.getvalue()


def ablation_names(rows: Iterable[Row], split: str) -> list[str]:
    """Names of the ablations of some rows on a split, in order."""
    return list(
        dict.fromkeys(
            name
            for row in rows
            for result in row.results
            for name in (result.get('ablations') or {}).get(split, ())
        )
    )


def ablation_bars(
    rows: Iterable[Row], splits: Iterable[str], score: str
) -> tuple[list[str], dict[str, list[list[float]]]] | None:
    """A score of each row with and without its parts, by split.

    Returns:
        tuple | None: A label a bar, and for each split the values of each;
        None where there is no ablation.
    """
    splits = list(splits)
    bars = [
        (row, name)
        for row in rows
        for name in dict.fromkeys(
            name for split in splits for name in ablation_names([row], split)
        )
    ]
    if not bars:
        return None
    panels = {
        split: [
            row.values('ablations', split, name, score) for row, name in bars
        ]
        for split in splits
    }
    return [f'{row.name}: {name}' for row, name in bars], panels


def curve_lines(
    part: Sequence[Row], splits: Iterable[str], score: str
) -> Mapping[str, list[tuple[float, list[float]]]]:
    """A score against the number of training pictures, a line a split."""
    lines = {}
    for split in splits:
        points = [
            (float(row.pictures()), row.values('scores', split, score))
            for row in part
        ]
        lines[split] = [point for point in points if point[1]]
    return {split: line for split, line in lines.items() if line}
