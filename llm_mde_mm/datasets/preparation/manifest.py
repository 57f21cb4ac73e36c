"""Files that a preparation writes: hashed, and never over another's."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

from llm_mde_mm.datasets.preparation.folders import folder_above
from llm_mde_mm.utils.depth_io import write_bytes
from llm_mde_mm.utils.errors import DataError

_BLOCK = 1 << 20
_ELSEWHERE = 'move it away, or choose another output folder'


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


def read_if_there(path: Path) -> bytes | None:
    """Return a file's content, None if there is none.

    Raises:
        DataError: It cannot be read.
    """
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DataError(
            f'cannot read {path}: {error.strerror or error}; move it away, or '
            'write to another place'
        ) from error


def write_once(path: Path, data: bytes, differs: str = '') -> bool:
    """Write a file unless it is there already, with the same content.

    Args:
        path: The file; its folder is made.
        data: Its content.
        differs: What to say of a file that exists and differs.

    Returns:
        Whether the file was written.

    Raises:
        DataError: The file exists and differs, or cannot be read; it stays
            as it is.
        WriteError: It cannot be written.
    """
    there = read_if_there(path)
    if there is None:
        write_bytes(path, data)
        return True
    if there != data:
        raise DataError(
            f'{path} exists and differs from what would be written; nothing '
            f'is overwritten: {differs or _ELSEWHERE}'
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


def check_settings(out: Path, settings: Mapping[str, Any]) -> None:
    """Compare a folder's manifest with what is about to be prepared.

    Args:
        out: Folder of ``manifest.json``; neither need exist.
        settings: Keys that must be alike in it.

    Raises:
        DataError: The folder was prepared in another way.
        WriteError: The folder is a file.
    """
    folder_above(out)
    manifest = out / 'manifest.json'
    content = read_if_there(manifest)
    if content is None:
        return
    try:
        before = json.loads(content)
        differing = [
            text
            for key, asked in settings.items()
            for text in _differences(key, before[key], asked)
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f'{manifest} is not a manifest of this tool ({error!r}): choose '
            'another output folder'
        ) from error
    if differing:
        raise DataError(
            f'{out} was prepared in another way: {"; ".join(differing)}; '
            'choose another output folder'
        )


def _differences(key: str, there: Any, asked: Any) -> list[str]:
    """Say where two values of a manifest differ, and how."""
    if there == asked:
        return []
    pairs = None
    if isinstance(there, dict) and isinstance(asked, dict):
        pairs = [(k, there.get(k), asked[k]) for k in asked]
    elif isinstance(there, list) and isinstance(asked, list):
        if len(there) != len(asked):
            return [f'{key} are {len(there)}, asked for are {len(asked)}']
        pairs = list(zip(range(len(asked)), there, asked, strict=True))
    if pairs is None:
        return [f'{key} is {there!r}, asked for is {asked!r}']
    return [text for k, *p in pairs for text in _differences(f'{key}.{k}', *p)]
