"""Which checkpoint a run goes on from."""

from pathlib import Path
from typing import Any

from llm_mde_mm.utils.checkpoint import has_optimizer, resumable_checkpoints
from llm_mde_mm.utils.errors import DamagedError, WeightsError


def resume_run(runner: Any) -> bool:
    """Go on from ``load_from``, by default the newest whole one of the run.

    Args:
        runner (Runner): Its ``resume`` is called for each file, until one is
            not damaged; once a run.

    Returns:
        bool: Whether that was to be done; else nothing was.

    Raises:
        WeightsError: If the checkpoint does not serve, or every one of the
            run is damaged.
    """
    if runner._has_loaded or not runner._resume:
        return False
    source = Path(runner._load_from or runner.work_dir).expanduser()
    if source.is_file():
        runner.resume(source)
    elif runner._load_from and not source.is_dir():
        raise WeightsError(f'there is no checkpoint {source}')
    else:
        _resume_newest(runner, source)
    runner._has_loaded = True
    return True


def _resume_newest(runner: Any, folder: Path) -> None:
    damaged = []
    # Weights alone, as tools/merge_lora.py writes them, come last.
    paths = sorted(
        resumable_checkpoints(folder), key=lambda p: not has_optimizer(p)
    )
    for path in paths:
        try:
            runner.resume(path)
        except DamagedError as error:
            damaged.append(str(error))
            runner.logger.warning(f'{error}; the one before it is taken')
            continue
        runner.logger.info(f'Resumed from {path}')
        return
    if damaged:
        raise WeightsError(
            f'{folder} holds no whole checkpoint: ' + '; '.join(damaged)
        )
    runner.logger.warning(
        f'{folder} holds no checkpoint yet: training starts at the beginning'
    )
