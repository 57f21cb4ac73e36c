"""Folders to write into: whether they can be, and whether they hold enough."""

import shutil
from pathlib import Path

from llm_mde_mm.utils.errors import WriteError


def make_folder(path: Path) -> None:
    """Make a folder and those above it.

    Raises:
        WriteError: It cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(
            f'folder {path} cannot be made: {error.strerror or error}; choose '
            'another one'
        ) from error


def folder_above(path: Path) -> Path:
    """Return a folder, or the nearest one above it that exists.

    Raises:
        WriteError: A file has the name of one of them.
    """
    nearest = next(p for p in (path, *path.parents) if p.exists())
    if not nearest.is_dir():
        raise WriteError(
            f'{nearest} is a file, not a folder; choose another folder'
        )
    return nearest


def check_space(folder: Path, needed: int, what: str) -> None:
    """Raise unless a disk has room.

    Args:
        folder: Where it is needed; it need not exist.
        needed: Bytes.
        what: What needs them, for the message.

    Raises:
        WriteError: There are fewer, or the folder is a file.
    """
    free = shutil.disk_usage(folder_above(folder)).free
    if free < needed:
        raise WriteError(
            f'{folder}: {free:,} bytes are free, but {what} {needed:,} bytes; '
            'make room or choose another folder'
        )


def on_one_disk(*folders: Path) -> bool:
    """Return whether folders, which need not exist, share a disk.

    Raises:
        WriteError: One of them is a file.
    """
    return len({folder_above(path).stat().st_dev for path in folders}) == 1
