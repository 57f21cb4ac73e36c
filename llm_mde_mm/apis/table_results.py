"""One result file a run of a table: found again, read, not made twice."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from llm_mde_mm.utils.errors import ConfigError, DataError

from .tables import Run, difference, make_run, natural_key

_KEYS = {'row', 'title', 'seed', 'digest', 'splits', 'scores'}


def read_result(path: str | Path) -> dict[str, Any]:
    """Read the file of a finished run.

    Raises:
        DataError: If it is damaged or no such file.
    """
    try:
        result = json.loads(Path(path).read_text())
        missing = sorted(_KEYS - set(result))
        if missing:
            raise ValueError(f'it has no {", ".join(missing)}')
    except (OSError, ValueError, TypeError) as error:
        raise DataError(
            f'{path} is no result of tools/run_table.py ({error}): delete it '
            'and the run is made again'
        ) from error
    return result


def read_results(folder: str | Path) -> list[dict[str, Any]]:
    """Results of a table, rows and seeds in order."""
    found = [read_result(path) for path in Path(folder).glob('*_seed*.json')]
    return sorted(found, key=lambda r: (natural_key(r['row']), r['seed']))


def find_finished(
    run: Run,
    results: str | Path,
    identity: Mapping[str, Any],
    ablated: bool = False,
) -> dict[str, Any] | None:
    """The result of a run, or of an equal run of another table.

    Args:
        run (Run): The run.
        results (str | Path): Folder of the tables' folders.
        identity (Mapping[str, Any]): By ``identity_of``.
        ablated (bool): Whether the result must have ablations.

    Returns:
        dict | None: Of an equal run with its row and table's names; None
        where there is nothing.

    Raises:
        ConfigError: If the run's file is of another config, other pictures
            or other weights.
    """
    own = Path(results) / run.table / f'{run.name}.json'
    if own.is_file():
        result = read_result(own)
        other = difference(result, identity)
        if other:
            raise ConfigError(
                f'{own} was measured with {other}: delete it, or give '
                '--results another folder'
            )
        if result.get('ablations') or not ablated:
            return result
    for path in sorted(Path(results).glob('*/*_seed*.json')):
        result = read_result(path)
        if not difference(result, identity) and (
            result.get('ablations') or not ablated
        ):
            return {
                'same_as': f'{path.parent.name}/{path.stem}',
                **result,
                'table': run.table,
                'row': run.row,
                'title': run.title,
            }
    return None


def check_current(
    configs: str | Path,
    folder: str | Path,
    options: Mapping | None = None,
    amp: bool = False,
) -> None:
    """Check that all results of a table are of its configs as they are.

    A page sets them beside each other.

    Args:
        configs (str | Path): Folder of the table's configs.
        folder (str | Path): Folder of its results.
        options (Mapping, optional): Dotted keys and values for each config.
        amp (bool): Whether training is in mixed precision.

    Raises:
        ConfigError: If a result has no such row, or is of another config.
    """
    for result in read_results(folder):
        row, seed = result['row'], result['seed']
        path = Path(configs) / f'{row}.py'
        if not path.is_file():
            reason = f'is of a row that {configs} does not have'
        elif make_run(path, seed, options, amp).digest != result['digest']:
            reason = 'was measured with another config'
        else:
            continue
        raise ConfigError(
            f'{Path(folder) / f"{row}_seed{seed}.json"} {reason}: give the '
            'options that it was measured with, delete it, or give --results '
            'another folder'
        )


def in_turns(runs: Iterable[Run]) -> Iterator[list[Run]]:
    """Runs in turns of which none has two equal ones.

    What is equal to a run under way waits for its result.
    """
    left = list(runs)
    while left:
        turn = {run.digest: run for run in reversed(left)}
        yield [run for run in left if turn[run.digest] is run]
        left = [run for run in left if turn[run.digest] is not run]


def seconds_left(
    seconds: Iterable[float], runs: int, jobs: int = 1
) -> float | None:
    """Time that the runs to come will take, by the mean of those done.

    Args:
        seconds (Iterable[float]): Of each run that was made.
        runs (int): How many are left, those under way included.
        jobs (int): How many run at once.

    Returns:
        float | None: Seconds; None before the first run has ended.
    """
    done = list(seconds)
    if not done:
        return None
    return sum(done) / len(done) * -(-runs // jobs)
