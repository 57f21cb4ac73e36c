"""Whether what a file held has the form of a checkpoint."""

from typing import Any

import torch
from torch import Tensor


def unfit(checkpoint: Any) -> str | None:
    """Why something that was read is no checkpoint.

    Args:
        checkpoint (Any): What a file held.

    Returns:
        str | None: The reason, None if it is one.
    """
    if not isinstance(checkpoint, dict):
        return f'it holds a {type(checkpoint).__name__}, no state_dict'
    for key in ('state_dict', 'ema_state_dict'):
        state = checkpoint.get(key, {})
        if not isinstance(state, dict):
            return f'its {key} is no dict'
        for name, tensor in state.items():
            if not isinstance(name, str) or not _is_dense(tensor):
                return f'{key}[{name!r}] is no tensor on the CPU'
    meta = checkpoint.get('meta', {})
    if not isinstance(meta, dict):
        return 'its meta is no dict'
    if 'config' in meta:
        return 'its meta has a config that MMEngine would run as a program'
    for key in ('pretrained', 'versions'):
        about = meta.get(key, {})
        if not isinstance(about, dict) or not _all_text(about.values()):
            return f'its meta.{key} is no dict of names'
    base = checkpoint.get('base', {})
    if not isinstance(base, dict) or not _all_text(base.values()):
        return 'its base is no dict of digests'
    if 'message_hub' in checkpoint:
        return _unfit_hub(checkpoint['message_hub'])
    return None


def _unfit_hub(hub: Any) -> str | None:
    if not isinstance(hub, dict):
        return 'its message_hub is no dict'
    parts = [
        hub.get(key) for key in ('log_scalars', 'runtime_info', 'resumed_keys')
    ]
    if not all(isinstance(part, dict) for part in parts):
        return 'its message_hub lacks a part'
    for name, log in hub['log_scalars'].items():
        if not isinstance(log, dict) or not (
            _is_dense(log.get('values'))
            and _is_dense(log.get('counts'))
            and log['values'].shape == log['counts'].shape
            and log['values'].dim() == 1
            and _is_plain(log['values'])
            and _is_plain(log['counts'])
            and isinstance(log.get('max_length'), int)
        ):
            return f'the log of {name!r} in its message_hub is no log'
    return None


def _is_dense(value: Any) -> bool:
    return (
        isinstance(value, Tensor)
        and value.layout == torch.strided
        and value.device.type == 'cpu'
        and not value.is_quantized
    )


def _is_plain(tensor: Tensor) -> bool:
    """Whether NumPy takes it."""
    kinds = (torch.float32, torch.float64, torch.int32, torch.int64)
    return tensor.dtype in kinds and not (
        tensor.requires_grad or tensor.is_neg()
    )


def _all_text(values: Any) -> bool:
    return all(isinstance(value, str) for value in values)
