"""Files that a preparation writes: hashed, and never over another's."""

import hashlib
import json
from pathlib import Path
from typing import Any

from llm_mde_mm.utils.depth_io import write_bytes
from llm_mde_mm.utils.errors import DataError

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


def json_bytes(content: Any) -> bytes:
    """Return JSON that is the same for the same content."""
    return (json.dumps(content, indent=1) + '\n').encode()
