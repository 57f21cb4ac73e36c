"""Make one run of a table: train it, score it, note what it cost."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from llm_mde_mm.evaluation.report import write_report
from llm_mde_mm.utils.checkpoint import find_checkpoint
from llm_mde_mm.utils.errors import ConfigError, DataError, LLMMDEError

from .table_records import epoch_of, training_record
from .table_weights import weight_names
from .tables import Run, difference, identity_of, scoring_configs

# Says whose run a folder holds, and that its training has ended.
STATE = 'table_run.json'
# Process ids of the tools that run.
_live: set[int] = set()


class RunFailed(LLMMDEError, RuntimeError):
    """A tool that a run is made by has ended with an error."""


class Setting(NamedTuple):
    """What all runs of a table share.

    Attributes:
        tools (Path): Folder of ``train.py``, ``test.py`` and ``ablate.py``.
        work_dir (Path): Folder of the runs' folders.
        amp (bool): Whether training is in mixed precision.
        ablate (bool): Whether the trained model is also tested without parts.
        flags (tuple[str, ...]): What else of the command line matters to the
            scores, for the record.
        jobs (int): How many run at once. Each takes its share of the
            processor's cores, unless ``OMP_NUM_THREADS`` says otherwise.
        stopped (Callable[[], bool]): Whether :func:`stop_all` has been
            called, which cannot reach a tool that only then starts.
    """

    tools: Path
    work_dir: Path
    amp: bool = False
    ablate: bool = False
    flags: tuple[str, ...] = ()
    jobs: int = 1
    stopped: Callable[[], bool] = bool

    def folder(self, table: str, name: str) -> Path:
        """Folder of a run's log and checkpoints."""
        return self.work_dir / table / name


def execute(run: Run, setting: Setting) -> dict[str, Any]:
    """Train a run, going on where it was cut, and score it.

    Training is gone on with by ``tools/train.py --resume``; what has ended is
    not trained again. Afterwards the best checkpoint alone is kept.

    Args:
        run (Run): The run.
        setting (Setting): What all runs share.

    Returns:
        dict[str, Any]: The result, ready for JSON.

    Raises:
        RunFailed: If a tool ended with an error; the message names its log.
        ConfigError: If the folder holds a run of another config, other
            pictures or other weights.
        DataError: If data are missing, or the folder's state is damaged.
    """
    folder = setting.folder(run.table, run.name)
    state = _open(folder, identity_of(run))
    log = folder / 'console.log'
    if not state.get('trained'):
        config = _dump(run.cfg, folder, 'train')
        command = ['train.py', config, '--work-dir', folder, '--resume']
        state['peak_bytes'] = _call(
            setting, [*command, '--amp'] if setting.amp else command, log
        )
        state.update(trained=True, **training_record(folder))
        write_report(folder / STATE, state)
    scores, ablations = {}, {}
    for name, cfg in scoring_configs(run.cfg).items():
        config, out = _dump(cfg, folder, name), folder / f'{name}.json'
        command = [config, folder, '--work-dir', folder / name, '--out', out]
        pictures = ['--save-predictions', folder / 'predictions']
        saved = pictures if name == 'test' else []
        _call(setting, ['test.py', *command, *saved], log)
        scores[name] = shorten(json.loads(out.read_text()))
        if setting.ablate and name in ('val', 'test'):
            out = folder / f'{name}_ablations.json'
            _call(setting, ['ablate.py', *command[:-1], out], log)
            ablations[name] = {
                key: shorten(report)
                for key, report in json.loads(out.read_text()).items()
            }
    best = find_checkpoint(folder)
    _keep_only(best)
    return dict(
        table=run.table,
        row=run.row,
        seed=run.seed,
        title=run.title,
        flags=list(setting.flags),
        weights=weight_names(run.cfg),
        scores=scores,
        ablations=ablations,
        checkpoint_bytes=best.stat().st_size,
        best_epoch=epoch_of(best.name),
        **{key: value for key, value in state.items() if key != 'trained'},
    )


def shorten(report: Mapping[str, Any]) -> dict[str, Any]:
    """A report of scores with the intervals of Abs Rel alone."""
    return {
        key: value
        for key, value in report.items()
        if key != 'protocol_settings'
        and (not key.endswith('_ci95') or key.startswith('abs_rel'))
    }


def _open(folder: Path, identity: Mapping[str, Any]) -> dict[str, Any]:
    """State of a run's folder, which is made if need be."""
    path = folder / STATE
    if not path.is_file():
        write_report(path, identity)
        return dict(identity)
    state = _read(path)
    other = difference(state, identity)
    if other:
        raise ConfigError(
            f'{folder} holds a run of {other}: delete it, or give --work-dir '
            'another folder'
        )
    return state


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise DataError(
            f'{path} cannot be read ({error}): delete {path.parent} and the '
            'run is made again'
        ) from error


def is_trained(folder: Path) -> bool:
    """Whether a run's folder holds a training that has ended."""
    path = folder / STATE
    return path.is_file() and bool(_read(path).get('trained'))


def _keep_only(best: Path) -> None:
    """Delete a run's other checkpoints, if this is the best one."""
    if not best.name.startswith('best_'):
        return
    for path in best.parent.glob('*.pth'):
        if path != best:
            path.unlink()
    # It names one of those.
    (best.parent / 'last_checkpoint').unlink(missing_ok=True)


def _dump(cfg: Any, folder: Path, name: str) -> Path:
    path = folder / 'configs' / f'{name}.py'
    path.parent.mkdir(parents=True, exist_ok=True)
    cfg.dump(str(path))
    return path


def stop_all() -> None:
    """Ask the tools that run to stop, whose runs can be gone on with."""
    for pid in tuple(_live):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


def _call(setting: Setting, command: Sequence, log: Path) -> int:
    """Run a tool, its output added to a log.

    Returns:
        int: Peak memory in bytes of the largest process.

    Raises:
        RunFailed: If it ends with an error.
    """
    tool, *arguments = map(str, command)
    environment = dict(os.environ)
    if setting.jobs > 1:
        share = max(1, (os.cpu_count() or 1) // setting.jobs)
        environment.setdefault('OMP_NUM_THREADS', str(share))
    with log.open('ab') as stream:
        process = subprocess.Popen(
            [sys.executable, str(setting.tools / tool), *arguments],
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        _live.add(process.pid)
        if setting.stopped():
            process.terminate()
        # Not process.wait(), which tells nothing of memory.
        _, status, usage = os.wait4(process.pid, 0)
        _live.discard(process.pid)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RunFailed(
            f'tools/{tool} ended with {process.returncode}: '
            f'{last_line(log)}; log: {log}'
        )
    # Linux counts in KiB, macOS in bytes.
    return usage.ru_maxrss * (1 if sys.platform == 'darwin' else 1024)


def last_line(log: Path) -> str:
    """The last words of a log, without a progress bar's earlier states."""
    lines = re.split(r'[\r\n]+', log.read_text(errors='replace').strip())
    return lines[-1][:300]
