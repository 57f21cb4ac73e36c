"""Versions of what a run stands on."""

import hashlib
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from llm_mde_mm.version import __version__

_PACKAGES = (
    'torch',
    'numpy',
    # Under whichever name it is installed.
    'opencv-python',
    'opencv-python-headless',
    'onedl-mmengine',
    'onedl-mmcv',
    'onedl-mmsegmentation',
    'mmengine',
    'mmcv',
    'mmsegmentation',
    'timm',
    'transformers',
    'peft',
)


def package_versions() -> dict[str, str]:
    """Versions of Python, this package and those that a result hangs on."""
    return dict(_versions())


def code_revision(file: str | Path = __file__) -> str | None:
    """Git commit of the code that runs, wherever it is run from.

    Args:
        file (str | Path): A file of the code.

    Returns:
        str | None: The commit; with ``-dirty-`` and a digest of the edits
        where files that git tracks differ from it. None where git does not
        track the file, as of an installed package.
    """
    file = Path(file).resolve()
    try:
        _git(file.parent, 'ls-files', '--error-unmatch', file.name)
        commit = _git(file.parent, 'rev-parse', 'HEAD').decode().strip()
        edits = _git(file.parent, 'diff', '--no-ext-diff', '--binary', 'HEAD')
    except (OSError, subprocess.CalledProcessError):
        return None
    if edits:
        return f'{commit}-dirty-{hashlib.sha256(edits).hexdigest()[:12]}'
    return commit


def _git(folder: Path, *words: str) -> bytes:
    command = ['git', '-C', str(folder), *words]
    return subprocess.run(command, capture_output=True, check=True).stdout


@cache
def _versions() -> dict[str, str]:
    found = dict(python=platform.python_version(), llm_mde_mm=__version__)
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
