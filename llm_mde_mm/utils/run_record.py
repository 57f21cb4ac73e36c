"""What a run was made of, so that it can be repeated: ``run.json``."""

import json
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import get_world_size
from mmengine.utils import get_git_hash

from llm_mde_mm.datasets.listing import describe_split
from llm_mde_mm.utils.depth_io import write_bytes
from llm_mde_mm.utils.errors import ConfigError
from llm_mde_mm.utils.versions import package_versions

RECORD = 'run.json'
# What has to be the same for a run to repeat another bit for bit.
_MATTERS = ('seed', 'versions', 'git', 'splits', 'processes', 'threads')


def describe(
    config: str, seed: int, loaders: Mapping[str, Any]
) -> dict[str, Any]:
    """Describe the run that this process is part of.

    Args:
        config (str): The whole config, as Python text.
        seed (int): The seed in use.
        loaders (Mapping[str, Any]): Data loaders by split.

    Returns:
        dict[str, Any]: ``command``, ``seed``, ``versions``, ``git`` (commit
        of the working directory, or None), ``splits`` (number of pictures and
        digest), ``processes``, ``threads``, ``device`` and ``config``.
    """
    on_gpu = torch.cuda.is_available()
    return dict(
        command=shlex.join(['python', *sys.argv]),
        seed=seed,
        versions=package_versions(),
        git=get_git_hash(fallback='') or None,
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
