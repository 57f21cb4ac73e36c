"""Files that are there whole or not at all, whatever ends the process."""

import fcntl
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

_SUFFIX = '.part'
# Read once: it is the process's, and asking for it sets it for a moment.
_UMASK = os.umask(0)
os.umask(_UMASK)
_PARTIAL = re.compile(r'\..+\.\w{8}\.part')


@contextmanager
def whole_file(
    path: Path,
    sync: bool = False,
    check: Callable[[Path], None] | None = None,
) -> Iterator[IO[bytes]]:
    """Write beside a file and give it the name at the end.

    What a symbolic link leads to is written. What is no regular file, such as
    a pipe or ``/dev/null``, is written to as it is.

    Args:
        path (Path): The file; its folder must exist. What has the name stays
            untouched until then, and for good where an error comes first.
        sync (bool): Have the data on the disk before the file gets its name,
            and the name before this returns.
        check (Callable | None): Called with the written file before it gets
            its name; it raises where the file is not what it should be.

    Yields:
        IO[bytes]: Where to write.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file() and not path.is_dir():
        with path.open('wb') as stream:
            yield stream
        return
    handle, name = tempfile.mkstemp(
        dir=path.parent, prefix=f'.{path.name}.', suffix=_SUFFIX
    )
    try:
        with os.fdopen(handle, 'wb') as stream:
            _lock(handle)
            yield stream
            stream.flush()
            with ThreadPoolExecutor(1) as pool:
                synced = sync and pool.submit(os.fsync, stream.fileno())
                # Reads what the system holds, be it on the disk yet or not.
                if check is not None:
                    check(Path(name))
            if synced:
                synced.result()
        # mkstemp makes the file private; give it a new file's usual mode.
        os.chmod(name, 0o666 & ~_UMASK)
        os.replace(name, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(name)
        raise
    if sync:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Have a folder's names on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_partial_files(folder: Path) -> list[Path]:
    """Delete what processes that were killed in :func:`whole_file` left.

    What a living process writes, this one or another, stays.

    Args:
        folder (Path): Not its subfolders.

    Returns:
        list[Path]: The files.
    """
    found = []
    for path in sorted(folder.glob(f'.*{_SUFFIX}')):
        if _PARTIAL.fullmatch(path.name) and path.is_file():
            with (
                suppress(FileNotFoundError, PermissionError),
                path.open('rb+') as stream,
            ):
                if _lock(stream.fileno()):
                    path.unlink()
                    found.append(path)
    return found


def _lock(handle: int) -> bool:
    """Lock a file until it is closed; False where another has it locked."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        # A file system without locks, on which nobody holds one.
        pass
    return True
