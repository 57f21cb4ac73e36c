"""Which pretrained weights a run of a table starts from."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from llm_mde_mm.datasets.preparation.manifest import file_digests, sha256
from llm_mde_mm.utils.frozen_base import public_name

_FILES = ('*.safetensors', '*.bin', '*.pth', '*.pt')


def weight_names(cfg: Mapping[str, Any]) -> dict[str, str]:
    """Names of the pretrained weights, of a file or folder the last part."""
    return {part: public_name(name) for part, name in _weights(cfg)}


def weight_digests(cfg: Mapping[str, Any]) -> dict[str, str]:
    """Digests of the weights that are local files, which names do not tell."""
    return {
        part: _digest(tuple(files), tuple(f.stat().st_mtime for f in files))
        for part, name in _weights(cfg)
        if (files := _files(Path(name).expanduser()))
    }


def _weights(cfg: Mapping[str, Any]) -> list[tuple[str, str]]:
    backbone = cfg['model']['backbone']
    parts = ((p, backbone.get(p) or {}) for p in ('vision', 'language'))
    return [(p, part['weights']) for p, part in parts if part.get('weights')]


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(p for pattern in _FILES for p in path.glob(pattern))


@lru_cache
def _digest(files: tuple[Path, ...], times: tuple[float, ...]) -> str:
    """Read each file once, unless it changes."""
    digests = [file_digests(file, 'sha256')['sha256'] for file in files]
    return sha256(''.join(digests).encode())[:12]
