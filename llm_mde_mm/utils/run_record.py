"""What a run was made of, so that it can be repeated: ``run.json``."""

import json
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dist import get_world_size

from llm_mde_mm.datasets.listing import describe_split
from llm_mde_mm.utils.depth_io import write_bytes
from llm_mde_mm.utils.errors import ConfigError
from llm_mde_mm.utils.versions import code_revision, package_versions

RECORD = 'run.json'
# What has to be the same for a run to repeat another bit for bit.
_MATTERS = (
    'seed',
    'versions',
    'git',
    'splits',
    'processes',
    'threads',
    'device',
)
# Of a config: where a run lies, its name, how it was started.
_PLACE = {'work_dir', 'experiment_name', 'resume', 'load_from', 'launcher'}


def describe(
    config: str, seed: int, loaders: Mapping[str, Any]
) -> dict[str, Any]:
    """Describe the run that this process is part of.

    Args:
        config (str): The whole config, as Python text.
        seed (int): The seed in use.
        loaders (Mapping[str, Any]): Data loaders by split.

    Returns:
        dict[str, Any]: ``command``, ``seed``, ``versions``, ``git`` (see
        :func:`code_revision`), ``splits`` (number of pictures and digest),
        ``processes``, ``threads``, ``device`` and ``config``.
    """
    on_gpu = torch.cuda.is_available()
    return dict(
        command=shlex.join(['python', *sys.argv]),
        seed=seed,
        versions=package_versions(),
        git=code_revision(),
        splits={
            split: describe_split(loader.dataset)
            for split, loader in loaders.items()
        },
        processes=get_world_size(),
        threads=torch.get_num_threads(),
        device=torch.cuda.get_device_name() if on_gpu else 'cpu',
        config=config,
    )


def write_record(folder: str | Path, record: Mapping[str, Any]) -> None:
    """Write ``run.json`` into a folder."""
    text = json.dumps(record, indent=2) + '\n'
    write_bytes(Path(folder) / RECORD, text.encode())


def read_record(folder: str | Path) -> dict[str, Any]:
    """Read a folder's ``run.json``.

    Raises:
        ConfigError: If there is none, or it is damaged.
    """
    path = Path(folder) / RECORD
    try:
        record = json.loads(path.read_text())
        if not isinstance(record['config'], str):
            raise KeyError('config')
        if not isinstance(record['seed'], int):
            raise KeyError('seed')
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f'{path} cannot be read ({error!r}): name the folder of a run of '
            'tools/train.py'
        ) from error
    return record


def differences(here: Mapping[str, Any], there: Mapping[str, Any]) -> str:
    """Say where two runs differ, beside their configs.

    Returns:
        str: ``key: there, here`` for each difference, or nothing.
    """
    found = []
    for key in _MATTERS:
        a, b = there.get(key), here.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            found += [
                f'{key}.{name}: {a.get(name)}, {b.get(name)}'
                for name in sorted({*a, *b})
                if a.get(name) != b.get(name)
            ]
        elif a != b:
            found.append(f'{key}: {a}, {b}')
    return '; '.join(found)


def later_changes(record: Mapping[str, Any]) -> str:
    """Say what a run that went on by ``--resume`` did otherwise since.

    Args:
        record (Mapping[str, Any]): Of :func:`read_record`.

    Returns:
        str: For each time that it went on, the step and what was another
        than at its start; or nothing.
    """
    first = Config.fromstring(record['config'], '.py')
    found = []
    for part in record.get('resumed', []):
        changes = differences(part, record)
        if 'config' in part:
            keys = _changed(first, Config.fromstring(part['config'], '.py'))
            changes = '; '.join(filter(None, [changes, keys]))
        if changes:
            found.append(f'from step {part.get("step")} on: {changes}')
    return '; '.join(found)


def _changed(first: Config, later: Config) -> str:
    keys = sorted({*first, *later} - _PLACE)
    changed = [key for key in keys if first.get(key) != later.get(key)]
    source = later.get('load_from')
    if source and source != first.get('load_from'):
        # A checkpoint of this very run is what it had come to.
        if Path(source).resolve().parent != Path(later.work_dir).resolve():
            changed.append('load_from')
    return f'another config ({", ".join(changed)})' if changed else ''
