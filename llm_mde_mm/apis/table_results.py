"""One result file a run of a table: found again, read, not made twice."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from llm_mde_mm.utils.errors import ConfigError, DataError

from .tables import Run, natural_key


def read_result(path: str | Path) -> dict[str, Any]:
    """Read the file of a finished run.

    Raises:
        DataError: If it is damaged or no such file.
    """
    try:
        result = json.loads(Path(path).read_text())
        if not {'row', 'seed', 'scores', 'digest'} <= set(result):
            raise ValueError('a key is missing')
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
    run: Run, results: str | Path, ablated: bool = False
) -> dict[str, Any] | None:
    """The result of a run, or of an equal run of another table.

    Args:
        run (Run): The run.
        results (str | Path): Folder of the tables' folders.
        ablated (bool): Whether the result must have ablations.

    Returns:
        dict | None: Of an equal run with its row and table's names; None
        where there is nothing.

    Raises:
        ConfigError: If the run's file is of another config.
    """
    own = Path(results) / run.table / f'{run.name}.json'
    if own.is_file():
        result = read_result(own)
        if result['digest'] != run.digest:
            raise ConfigError(
                f'{own} was measured with another config: delete it, or give '
                '--results another folder'
            )
        return result if result.get('ablations') or not ablated else None
    for path in sorted(Path(results).glob('*/*_seed*.json')):
        result = read_result(path)
        if result['digest'] == run.digest and (
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
