"""Sources of public RGB-D sets: fetched, or read from a clone."""

import http.client
import io
import shlex
import urllib.request
from pathlib import Path

import cv2
import numpy as np

from llm_mde_mm.datasets.preparation.public_sets import PublicSet
from llm_mde_mm.utils.errors import DataError

_TIMEOUT = 60  # seconds without a byte


def read_source(
    one: PublicSet, name: str, clones: Path | None
) -> tuple[str, bytes]:
    """Get a file of a set.

    Args:
        one: The set.
        name: The file, below the set's ``url`` or ``folder``.
        clones: Folder of the repositories, or None for the network.

    Returns:
        Where it lies, and its content.

    Raises:
        DataError: It is not there, or did not arrive whole.
    """
    if clones is None:
        return one.url + name, _fetch(one.url + name, one)
    path = clones / one.folder / name
    try:
        return str(path), path.read_bytes()
    except OSError as error:
        raise DataError(
            f'cannot read {path}: {error.strerror}; get it by '
            f'{_clone(one, clones)}'
        ) from error


def read_array(source: bytes, name: str) -> np.ndarray | None:
    """Return what a picture or ``.npy`` holds, None if it is damaged."""
    if not name.endswith('.npy'):
        return decode(source)
    try:
        return np.squeeze(np.load(io.BytesIO(source), allow_pickle=False))
    except (ValueError, EOFError, OSError):
        return None


def decode(content: bytes) -> np.ndarray | None:
    """Return a picture as it is stored, None if it cannot be read."""
    if not content:
        return None
    data = np.frombuffer(content, np.uint8)
    return cv2.imdecode(data, cv2.IMREAD_UNCHANGED)


def _clone(one: PublicSet, clones: Path | str) -> str:
    """Return the command that gets a repository at its commit."""
    folder = shlex.quote(f'{clones}/{one.folder.split("/")[0]}')
    # One commit alone, which no branch has to lead to.
    return (
        f'"git init {folder} && git -C {folder} fetch --depth 1 '
        f'{one.repository} {one.commit} && git -C {folder} checkout '
        'FETCH_HEAD"'
    )


def _fetch(url: str, one: PublicSet) -> bytes:
    """Return what an address holds."""
    if not url.startswith(('http://', 'https://')):
        raise DataError(f'{url!r} is not an http:// or https:// address')
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as response:
            return response.read()
    except (OSError, http.client.HTTPException) as error:
        raise DataError(
            f'{url}: {error}; run the same command again to go on from '
            f'there, or run {_clone(one, "FOLDER")} and give --from FOLDER'
        ) from error
