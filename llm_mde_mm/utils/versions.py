"""Versions of what a run stands on."""

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from llm_mde_mm.version import __version__

_PACKAGES = (
    'torch',
    'numpy',
    'opencv-python-headless',
    'onedl-mmengine',
    'onedl-mmcv',
    'onedl-mmsegmentation',
    'timm',
    'transformers',
    'peft',
)


def package_versions() -> dict[str, str]:
    """Versions of Python, this package and those that a result hangs on."""
    return dict(_versions())


@cache
def _versions() -> dict[str, str]:
    found = dict(python=platform.python_version(), llm_mde_mm=__version__)
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
