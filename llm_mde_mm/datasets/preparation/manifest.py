"""Files that a preparation writes: hashed, and never over another's."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

from llm_mde_mm.utils.depth_io import write_bytes
from llm_mde_mm.utils.errors import DataError, WriteError

_BLOCK = 1 << 20


def sha256(data: bytes) -> str:
    """Return the SHA-256 of bytes in hex digits."""
    return hashlib.sha256(data).hexdigest()


def file_digests(path: Path, *algorithms: str) -> dict[str, str]:
    """Hash a file in one pass.

    Args:
        path: The file.
        *algorithms: Names that :mod:`hashlib` knows, such as ``'md5'``.

    Returns:
        Algorithm to hex digits.
    """
    # MD5 tells a damaged copy from a whole one; it protects nothing.
    hashes = {a: hashlib.new(a, usedforsecurity=False) for a in algorithms}
    with open(path, 'rb') as stream:
        while block := stream.read(_BLOCK):
            for one in hashes.values():
                one.update(block)
    return {a: one.hexdigest() for a, one in hashes.items()}


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


def write_once(path: Path, data: bytes) -> bool:
    """Write a file unless it is there already, with the same content.

    Args:
        path: The file; its folder must exist.
        data: Its content.

    Returns:
        Whether the file was written.

    Raises:
        DataError: The file exists and differs; it stays as it is.
    """
    if not path.exists():
        write_bytes(path, data)
        return True
    if path.read_bytes() != data:
        raise DataError(
            f'{path} exists and differs from what would be written; nothing '
            'is overwritten: move it away, or choose another output folder'
        )
    return False


def read_manifest(path: Path) -> dict[str, dict[str, Any]]:
    """Read what a preparation wrote down of each picture.

    Args:
        path: ``manifest.json``; it need not exist.

    Returns:
        The picture's path below the manifest's folder to its item; empty
        where there is no manifest, or one of another form.

    Raises:
        DataError: The file cannot be read.
    """
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise DataError(
            f'cannot read {path}: {error}; prepare the data again, or move '
            'the file away'
        ) from error
    items = content.get('items') if isinstance(content, dict) else None
    if not isinstance(items, list) or not all(
        isinstance(item, dict) and isinstance(item.get('image'), str)
        for item in items
    ):
        print_log(
            f'{path} is no manifest of tools/prepare_nyu.py: it is not used',
            logger='current',
        )
        return {}
    return {item['image']: item for item in items}


def json_bytes(content: Any) -> bytes:
    """Return JSON that is the same for the same content."""
    return (json.dumps(content, indent=1) + '\n').encode()


def check_settings(manifest: Path, settings: Mapping[str, Any]) -> None:
    """Compare a folder's manifest with what is about to be prepared.

    Args:
        manifest: ``manifest.json``; it need not exist.
        settings: Keys that must be alike in it.

    Raises:
        DataError: The folder was prepared in another way.
    """
    if not manifest.exists():
        return
    try:
        before = json.loads(manifest.read_text(encoding='utf-8'))
        differing = [key for key in settings if before[key] != settings[key]]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f'{manifest} is not a manifest of this tool ({error!r}): choose '
            'another output folder'
        ) from error
    if differing:
        raise DataError(
            f'{manifest} records another {", ".join(differing)}: choose '
            'another output folder'
        )
