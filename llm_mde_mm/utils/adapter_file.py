"""Adapters as safetensors, to be shared: weights, and text about them."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from llm_mde_mm.utils.checkpoint_writing import write_safely
from llm_mde_mm.utils.errors import DamagedError, WeightsError
from llm_mde_mm.utils.frozen_base import (
    base_digest,
    public_name,
    tensor_digest,
)
from llm_mde_mm.utils.settings import settings_text, stored_settings
from llm_mde_mm.utils.versions import package_versions

ADAPTER_SUFFIX = '.safetensors'
_FORMAT = 'llm_mde_mm adapter 1'


def adapter_metadata(checkpoint: Mapping) -> dict[str, str]:
    """What an adapter file says of itself.

    Args:
        checkpoint (Mapping): As it is read.

    Returns:
        dict[str, str]: Digests of the config's text, of the base and of the
        weights, the model's settings, names of the base's weights (of a
        local path, the last part), versions, epoch and iteration.
    """
    meta = checkpoint['meta']
    settings = stored_settings(meta, 'the checkpoint')
    base = checkpoint.get('base') or {}
    config = str(meta.get('cfg', ''))
    weights = {
        part: public_name(name)
        for part, name in (meta.get('pretrained') or {}).items()
    }
    return dict(
        format=_FORMAT,
        # An adapter has the digest in the text's place.
        config_digest=str(meta.get('config_digest'))
        if 'config_digest' in meta
        else hashlib.sha256(config.encode()).hexdigest(),
        settings=settings_text(settings, ('model',)),
        base_digest=base_digest(base),
        base=json.dumps(base),
        pretrained=json.dumps(weights),
        versions=json.dumps(meta.get('versions') or package_versions()),
        epoch=str(meta.get('epoch', '')),
        iter=str(meta.get('iter', '')),
        state_digest=_state_digest(checkpoint['state_dict']),
    )


def _state_digest(state: Mapping[str, Tensor]) -> str:
    # safetensors has no checksum of its own.
    return base_digest({name: tensor_digest(t) for name, t in state.items()})


def write_adapter(checkpoint: Mapping, path: Path) -> None:
    """Write the weights of a checkpoint as safetensors.

    Args:
        checkpoint (Mapping): As it is read; optimizer and logs are left out.
        path (Path): ``*.safetensors``.

    Raises:
        WeightsError: If the file cannot be written or has another suffix.
    """
    if path.suffix != ADAPTER_SUFFIX:
        raise WeightsError(f'{path}: name it *{ADAPTER_SUFFIX}')
    # Tensors that share memory are not taken.
    tensors = {
        name: tensor.contiguous().clone()
        for name, tensor in checkpoint['state_dict'].items()
    }
    data = save(tensors, adapter_metadata(checkpoint))
    write_safely(path, lambda stream: stream.write(data))


def read_adapter(path: Path) -> dict[str, Any]:
    """Read what :func:`write_adapter` wrote.

    Returns:
        dict[str, Any]: ``state_dict``, ``base`` and ``meta``.

    Raises:
        DamagedError: If the file is truncated or its header is none.
        WeightsError: If it is no adapter of this package, or its base does
            not have the digest that it names.
    """
    try:
        with safe_open(path, framework='pt') as file:
            about = dict(file.metadata() or {})
            state = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError, ValueError) as error:
        raise DamagedError(
            f'{path} cannot be read as safetensors: {str(error)[:200]}'
        ) from error
    if about.get('format') != _FORMAT:
        raise WeightsError(
            f'{path} is no adapter of this package: make one with '
            'tools/convert_adapter.py'
        )
    try:
        base = json.loads(about['base'])
        meta = {
            key: json.loads(about[key]) for key in ('pretrained', 'versions')
        }
        whole = base_digest(base) == about['base_digest']
        same = _state_digest(state) == about['state_digest']
    except (
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        RecursionError,
    ) as error:
        raise DamagedError(f'{path}: its metadata is no such text') from error
    if not whole:
        raise DamagedError(f'{path}: its base has another digest')
    if not same:
        raise DamagedError(f'{path} is damaged: its weights have changed')
    meta['config_digest'] = about.get('config_digest', '')
    meta['settings'] = about.get('settings', '{}')
    for key in ('epoch', 'iter'):
        if about.get(key, '').isdecimal():
            meta[key] = int(about[key])
    return dict(state_dict=state, base=base, meta=meta)
