"""Make a table's runs, several at once, and say how far they are."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from llm_mde_mm.evaluation.report import write_report
from llm_mde_mm.utils.errors import ConfigError, LLMMDEError

from .table_results import find_finished, in_turns, read_result, seconds_left
from .table_runs import Setting, execute, is_trained, stop_all
from .tables import Run, identity_of


class Progress:
    """Runs a table's runs and says how far it is.

    Args:
        setting (Setting): What all runs share.
        results (str | Path): Folder of the tables' folders of results.
        tell (Callable[[str], object]): Takes a line for the user.

    Attributes:
        places (dict[str, Path]): Folder of each run that is done, by its
            name; it may be an equal run's.
    """

    def __init__(
        self,
        setting: Setting,
        results: str | Path,
        tell: Callable[[str], object],
    ) -> None:
        self._stop = threading.Event()
        self.setting = setting._replace(stopped=self._stop.is_set)
        self.results = Path(results)
        self.tell = tell
        self.places: dict[str, Path] = {}
        self._seconds: list[float] = []
        self._ended = 0

    def make_all(self, runs: Sequence[Run]) -> list[str]:
        """Make all runs; return the names of those that failed."""
        failed = []
        pool = ThreadPoolExecutor(self.setting.jobs)
        try:
            for turn in in_turns(runs):
                waiting = {pool.submit(self._make, run): run for run in turn}
                for future in as_completed(waiting):
                    run = waiting[future]
                    try:
                        self._say(run, future.result(), len(runs))
                    except LLMMDEError as error:
                        failed.append(run.name)
                        self._say(run, f'FAILED: {error}', len(runs))
        except BaseException:
            # No further run starts, and those under way end.
            self._stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            stop_all()
            raise
        pool.shutdown()
        return failed

    def _make(self, run: Run) -> str:
        """Make a run unless it is finished; return how it went."""
        path = self.results / run.table / f'{run.name}.json'
        result = find_finished(
            run, self.results, identity_of(run), self.setting.ablate
        )
        folder = self.setting.folder(run.table, run.name)
        if result is not None:
            place = result.get('same_as')
            self.places[run.name] = (
                self.setting.work_dir / place if place else folder
            )
            if path.is_file() and read_result(path) == result:
                return 'finished before'
            write_report(path, result)
            return f'equal to {place}'
        if path.is_file() and not is_trained(folder):
            raise ConfigError(
                f'{path} has no ablations, and {folder} no trained weights to '
                'make them with: delete the file to train again'
            )
        start = time.monotonic()
        log = folder / 'console.log'
        self.tell(f'{run.table}/{run.name} runs, log: {log}')
        result = execute(run, self.setting)
        write_report(path, result)
        self.places[run.name] = folder
        self._seconds.append(time.monotonic() - start)
        scores = ', '.join(
            f'{split} {report["abs_rel"]:.3f}'
            for split, report in result['scores'].items()
            if report.get('abs_rel') is not None
        )
        return f'Abs Rel {scores}, {self._seconds[-1] / 60:.1f} min'

    def _say(self, run: Run, text: str, total: int) -> None:
        """Say how a run has ended, and how long the others will take."""
        self._ended += 1
        left = total - self._ended
        line = f'[{self._ended}/{total}] {run.table}/{run.name}: {text}'
        remaining = seconds_left(self._seconds, left, self.setting.jobs)
        if left and remaining is not None:
            line += f'; about {remaining / 60:.1f} min left'
        self.tell(line)
