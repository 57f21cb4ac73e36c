"""Folders: what is below them, and whether they can be written into."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from llm_mde_mm.utils.errors import DataError, WriteError


def files_below(folder: Path, above: tuple[Path, ...] = ()) -> Iterator[Path]:
    """Files in and below a folder, also where a link leads to a folder.

    Args:
        folder: The folder.
        above: Folders above it, which a link may lead back to.

    Raises:
        DataError: A folder cannot be listed.
    """
    real = folder.resolve()
    if real in above:
        return
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise DataError(
            f'folder {folder} cannot be listed: {error.strerror or error}'
        ) from error
    for path in paths:
        if path.is_dir():
            yield from files_below(path, (*above, real))
        elif path.is_file():
            yield path


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
