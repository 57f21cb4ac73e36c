"""The page of a table: mean and spread over seeds as Markdown."""

import shlex
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .table_pages import (
    Row,
    ablation_names,
    same_digests,
    score_splits,
    spread,
)

SHOWN = dict(
    abs_rel='Abs Rel',
    abs_rel_median='median',
    abs_rel_affine='affine',
    rmse='RMSE [m]',
    d1='d1',
)
"""Scores on the page and their headings."""


def markdown(
    table: str, rows: Sequence[Row], probe: Mapping[str, Any] | None = None
) -> str:
    """The page of a table.

    Args:
        table (str): Its name.
        rows (Sequence[Row]): At least one.
        probe (Mapping[str, Any], optional): Scores by split of the ridge
            probe, to stand below the rows.
    """
    first = rows[0].results[0]
    flags = min((_flags(row) for row in rows), key=len)
    command = shlex.join([*_command(table, rows), *flags])
    parts = [f'# {table}', f'```bash\n{command}\n```']
    others: dict[str, list[str]] = {}
    for row in rows:
        if _flags(row) != flags:
            others.setdefault(shlex.join(_flags(row)), []).append(row.name)
    if others:
        named = [f'{", ".join(r)} `{text}`' for text, r in others.items()]
        parts.append('Run with other options: ' + '; '.join(named) + '.')
    parts.append(
        _table(['row', 'what'], [[row.name, row.title] for row in rows])
    )
    parts.append(
        'Means over the seeds, ± one standard deviation. "Change" is of Abs '
        f'Rel without alignment against {rows[0].name}; "median" and "affine" '
        'are Abs Rel so aligned. "95 % interval" is of Abs Rel over pictures, '
        'by bootstrap, its ends the means over the seeds; pictures of one '
        'room are alike, which it does not know of. Protocol '
        f'{first["scores"]["val"]["protocol"]}.'
    )
    for split in score_splits(rows):
        scores = _score_table(rows, split, (probe or {}).get(split))
        parts.append(f'## `{split}`')
        if not same_digests(rows, split):
            parts.append('**The rows are not scored on the same pictures.**')
        parts.append(scores)
    for split in ('val', 'test'):
        if any(row.values('ablations', split) for row in rows):
            parts += [
                f'## Parts taken away, `{split}`',
                _ablation_table(rows, split),
            ]
    parts += ['## Cost', _cost_table(rows)]
    return '\n\n'.join(parts) + '\n'


def _command(table: str, rows: Sequence[Row]) -> list[str]:
    """What made the results, but for the flags that a row keeps."""
    results = [result for row in rows for result in row.results]
    seeds = sorted({result['seed'] for result in results})
    command = ['python', 'tools/run_table.py', table, '--rows']
    command += [row.name for row in rows]
    command += ['--seeds', *map(str, seeds)]
    for part, option in (('vision', '--vit'), ('language', '--llm')):
        weights = [
            (result.get('weights') or {}).get(part) for result in results
        ]
        names = {name for name in weights if name}
        # The rows of some tables have weights of their own.
        if len(names) == 1:
            command += [option, *names]
    if any(result.get('ablations') for result in results):
        command.append('--ablate')
    return command


def _flags(row: Row) -> list[str]:
    """What else the command line of a row's first run had."""
    return row.results[0].get('flags', [])


def _table(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    lines = [head, ['---'] * len(head), *body]
    return '\n'.join('| ' + ' | '.join(line) + ' |' for line in lines)


def _cell(values: Sequence[float], form: str = '.3f') -> str:
    if not values:
        return '-'
    text = format(statistics.fmean(values), form)
    deviation = spread(values)
    return text if deviation is None else f'{text} ± {deviation:{form}}'


def _interval(ends: Sequence[Any]) -> str:
    """The means of intervals' lower and upper ends."""
    if not ends:
        return '-'
    low, high = map(statistics.fmean, zip(*ends, strict=True))
    return f'{low:.3f} to {high:.3f}'


def _score_table(
    rows: Sequence[Row], split: str, probe: Mapping[str, Any] | None
) -> str:
    reference = rows[0].values('scores', split, 'abs_rel')
    body = []
    for row in rows:
        own = row.values('scores', split, 'abs_rel')
        if not own:
            continue
        change = '-'
        if reference and row is not rows[0]:
            ratio = statistics.fmean(own) / statistics.fmean(reference)
            change = f'{100 * (ratio - 1):+.1f} %'
        cells = [_cell(row.values('scores', split, key)) for key in SHOWN]
        cells.insert(1, _interval(row.values('scores', split, 'abs_rel_ci95')))
        body.append([row.name, str(len(own)), *cells, change])
    if probe:
        ends = probe.get('abs_rel_ci95')
        cells = [_cell([probe[key]]) for key in SHOWN]
        cells.insert(1, _interval([ends] if ends else []))
        body.append(['ridge probe', '', *cells, '-'])
    constants = [
        value
        for row in rows
        for value in row.values('scores', split, 'constant_abs_rel')
    ]
    # Of one number only where all rows are scored on the same pictures.
    if len({round(value, 6) for value in constants}) == 1:
        blank = ['-'] * (len(SHOWN) + 1)
        body.append(['best constant', '', _cell(constants[:1]), *blank])
    first, *others = SHOWN.values()
    head = ['row', 'seeds', first, '95 % interval', *others, 'change']
    return _table(head, body)


def _ablation_table(rows: Sequence[Row], split: str) -> str:
    names = ablation_names(rows, split)
    body = []
    for row in rows:
        for key in ('abs_rel', 'abs_rel_median', 'abs_rel_affine'):
            cells = [
                _cell(row.values('ablations', split, name, key))
                for name in names
            ]
            if set(cells) != {'-'}:
                body.append([row.name, SHOWN[key], *cells])
    return _table(['row', 'score', *names], body)


def _cost_table(rows: Sequence[Row]) -> str:
    body = []
    for row in rows:
        gpu = [value for value in row.values('gpu_bytes') if value]
        memory = _scaled(gpu or row.values('peak_bytes'), 1e9, 'GB')
        body.append(
            [
                row.name,
                str(row.pictures()),
                _scaled(row.values('parameters'), 1e6, 'M'),
                _scaled(row.values('trained_parameters'), 1e6, 'M'),
                _scaled(row.values('train_seconds'), 60, 'min'),
                f'{memory} of the GPU' if gpu else memory,
                _scaled(row.values('checkpoint_bytes'), 1e6, 'MB'),
                _cell(row.values('epochs'), '.0f'),
                _cell(row.values('best_epoch'), '.0f'),
            ]
        )
    head = ['row', 'pictures', 'parameters', 'trained', 'training', 'memory']
    return _table([*head, 'checkpoint', 'epochs', 'best'], body)


def _scaled(values: Sequence[float], unit: float, name: str) -> str:
    if not values:
        return '-'
    return f'{statistics.fmean(values) / unit:.1f} {name}'
