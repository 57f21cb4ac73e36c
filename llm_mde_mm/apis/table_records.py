"""What a finished training left behind: time, memory, parameters, origin."""

import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from llm_mde_mm.utils.run_record import RECORD, read_record

_STAMP = '%Y%m%d_%H%M%S'
_COUNTS = re.compile(r'^all +([\d,]+) +([\d,]+)$', re.M)


def training_record(folder: Path) -> dict[str, Any]:
    """What a finished training left in its folder.

    Args:
        folder (Path): The work dir of ``tools/train.py``.

    Returns:
        dict[str, Any]: ``train_seconds``, from the start of a session to the
        last line of its log, over all sessions, validation included;
        ``epochs`` that were run; ``gpu_bytes``, the peak (0 without a GPU);
        ``parameters`` and ``trained_parameters``, None without
        ``ParameterTableHook``; and ``versions``, ``device``, ``threads`` and
        ``revision`` of the code, those of all sessions, from ``run.json``.
    """
    seconds, counts = 0.0, None
    epochs, memory = 0, 0
    for log in folder.glob('*/*.log'):
        try:
            start = time.mktime(time.strptime(log.stem, _STAMP))
        except ValueError:
            continue
        seconds += log.stat().st_mtime - start
        counts = counts or _COUNTS.search(log.read_text())
    for line in _scalars(folder):
        epochs = max(epochs, line.get('epoch', 0))
        memory = max(memory, line.get('memory', 0))
    total, trained = counts.groups() if counts else (None, None)
    return dict(
        train_seconds=round(seconds, 1),
        epochs=epochs,
        gpu_bytes=memory * 2**20,
        parameters=_number(total),
        trained_parameters=_number(trained),
        **_origin(folder),
    )


def _scalars(folder: Path) -> Iterator[dict]:
    for path in folder.glob('*/vis_data/scalars.json'):
        for line in path.read_text().splitlines():
            # A kill leaves half a line.
            with suppress(ValueError):
                yield json.loads(line)


def _origin(folder: Path) -> dict[str, Any]:
    if not (folder / RECORD).is_file():
        return {}
    first = read_record(folder)
    sessions = [first, *first.get('resumed', ())]
    revisions = dict.fromkeys(session['git'] for session in sessions)
    device = first['device']
    return dict(
        versions=first['versions'],
        device=f'{os.cpu_count()} CPU cores' if device == 'cpu' else device,
        threads=first['threads'],
        revision=', '.join(filter(None, revisions)) or None,
    )


def _number(text: str | None) -> int | None:
    return None if text is None else int(text.replace(',', ''))


def epoch_of(name: str) -> int | None:
    """The epoch that a checkpoint's name tells."""
    found = re.search(r'epoch_(\d+)', name)
    return int(found.group(1)) if found else None
