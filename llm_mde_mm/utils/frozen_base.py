"""The frozen base of a model: what pretrained weights bring back unchanged.

An adapter checkpoint leaves these tensors out and keeps a digest of each, so
that it fits on no other base.

A network that loads pretrained weights says so by an attribute
``pretrained``, the name of the weights, None where they are random. Frozen
tensors of anything else are no base: no file would bring them back.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from llm_mde_mm.utils.errors import WeightsError

# timm computes these for the size of the input; another processor may round
# the last bit otherwise.
_RESAMPLED = re.compile(r'(.*\.)?(pos_embed\w*|relative_position_bias_table)')
_DIGEST_BYTES = 16


def tensor_digest(tensor: Tensor) -> str:
    """Digest of a tensor's shape and values.

    Args:
        tensor (Tensor): Any; floating-point values count as float32, so that
            a model that computes in float64 has the base of its weights.

    Returns:
        str: 32 hexadecimal digits.
    """
    tensor = tensor.detach().cpu()
    if tensor.is_floating_point():
        tensor = tensor.float()
    kind = f'{tensor.dtype} {tuple(tensor.shape)} '
    digest = hashlib.sha256(kind.encode())
    flat = tensor.contiguous().reshape(-1)
    digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()[: 2 * _DIGEST_BYTES]


def base_digest(digests: Mapping[str, str]) -> str:
    """One digest for a whole base."""
    lines = (f'{name} {digests[name]}\n' for name in sorted(digests))
    return hashlib.sha256(''.join(lines).encode()).hexdigest()


def pretrained_parts(model: nn.Module) -> dict[str, str]:
    """The networks with pretrained weights, and the weights' names."""
    return {
        name: str(module.pretrained)
        for name, module in model.named_modules()
        if getattr(module, 'pretrained', None)
    }


def public_name(weights: str) -> str:
    """A name of weights to publish: of a file or folder, the last part."""
    path = Path(weights).expanduser()
    return path.name if path.exists() else weights


def base_names(model: nn.Module) -> list[str]:
    """Names of the parameters that are frozen and pretrained."""
    return [
        f'{part}.{name}'
        for part in pretrained_parts(model)
        for name, parameter in model.get_submodule(part).named_parameters(
            remove_duplicate=False
        )
        if not parameter.requires_grad and not _RESAMPLED.fullmatch(name)
    ]


def base_digests(model: nn.Module, names: Iterable[str]) -> dict[str, str]:
    """Digest of each named tensor that the model has."""
    state = model.state_dict()
    return {
        name: tensor_digest(state[name]) for name in names if name in state
    }


def _states(checkpoint: Mapping) -> Iterator[tuple[dict, str]]:
    """The weights in a checkpoint, with what stands before their names."""
    for key, prefix in (('state_dict', ''), ('ema_state_dict', 'module.')):
        if key in checkpoint:
            yield checkpoint[key], prefix


def drop_base(checkpoint: dict, digests: Mapping[str, str]) -> None:
    """Take the base out of a checkpoint and leave its digests.

    Args:
        checkpoint (dict): Changed in place; averaged weights, if it has any,
            lose their copy of the base too.
        digests (Mapping[str, str]): Of the base.
    """
    for state, prefix in _states(checkpoint):
        for name in digests:
            state.pop(prefix + name, None)
    if digests:
        checkpoint['base'] = dict(digests)


def restore_base(
    checkpoint: dict,
    model: nn.Module,
    path: str | Path,
    known: Mapping[str, str] | None = None,
) -> None:
    """Fill in what :func:`drop_base` left out, from the model.

    Args:
        checkpoint (dict): Changed in place.
        model (nn.Module): As its config builds it.
        path (str | Path): The checkpoint's file, for errors.
        known (Mapping[str, str] | None): Digests of the model's tensors that
            are computed already.

    Raises:
        WeightsError: If the model's tensors are others.
    """
    stored: dict = checkpoint.get('base') or {}
    known = known or {}
    ours = base_digests(model, (n for n in stored if n not in known))
    ours.update({n: known[n] for n in stored if n in known})
    differing = [n for n in stored if n in ours and ours[n] != stored[n]]
    if differing:
        raise WeightsError(_other_base(path, checkpoint, differing))
    full = model.state_dict()
    for state, prefix in _states(checkpoint):
        state.update({prefix + n: full[n] for n in ours})


def _other_base(path: str | Path, checkpoint: dict, names: list[str]) -> str:
    total = Counter(_part(n) for n in checkpoint['base'])
    found = Counter(_part(n) for n in names)
    parts = ', '.join(
        f'{part} ({count} of {total[part]} tensors)'
        for part, count in found.items()
    )
    weights: Any = checkpoint['meta'].get('pretrained') or {}
    named = ', '.join(f'{k}: {v}' for k, v in weights.items())
    return (
        f'{path} was trained on another frozen base: {parts} differ, the '
        f'first of them {names[0]}. Give the weights that it was trained on'
        + (f' ({named})' if named else '')
    )


def _part(name: str) -> str:
    return '.'.join(name.split('.')[:2])
