"""What is trained of a pretrained network: nothing, LoRA, or everything.

LoRA (arXiv 2106.09685, eq. 3): ``W' = W + (alpha / rank) B A`` with ``W``
kept and frozen. The layers come from peft; this module chooses which linear
layers get one and says so when none does.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from llm_mde_mm.utils.errors import ConfigError

FINETUNE_MODES = ('frozen', 'lora', 'full')
# The linear layers of a self-attention block in timm's and Hugging Face's
# models: blocks.0.attn.qkv, encoder.layer.0.attention.self.query, h.0.attn.
# c_attn, layers.0.self_attn.q_proj, ...
ATTENTION_LAYERS = r'(.*\.)?(attn|attention|self_attn|self_attention)\..*'
_LORA_KEYS = {'rank', 'alpha', 'dropout', 'targets'}


def linear_layers(module: nn.Module) -> list[str]:
    """Names of the layers of ``module`` that LoRA can sit on."""
    return [
        name
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Linear | Conv1D)
    ]


def add_lora(
    module: nn.Module,
    *,
    rank: int = 8,
    alpha: int = 16,
    dropout: float = 0.0,
    targets: str = ATTENTION_LAYERS,
) -> list[str]:
    """Put LoRA on the linear layers whose full name matches a pattern.

    The layers are replaced in place and everything but the adapters is
    frozen. ``B`` starts at 0, so the output does not change.

    Args:
        module (nn.Module): The pretrained network.
        rank (int): Rank of the update.
        alpha (int): The update is scaled by ``alpha / rank``.
        dropout (float): Dropout on the adapter's input.
        targets (str): Regular expression that a layer's full name must match.

    Returns:
        list[str]: Names of the layers that carry an adapter now.

    Raises:
        ConfigError: If the pattern matches no linear layer, or the rank is
            not positive.
    """
    if rank < 1:
        raise ConfigError(
            f'lora.rank is {rank}: give at least 1, or '
            "finetune='frozen' for no adapter at all"
        )
    names = linear_layers(module)
    matched = [name for name in names if re.fullmatch(targets, name)]
    if not matched:
        shapes = sorted({re.sub(r'\.\d+\.', '.N.', name) for name in names})
        raise ConfigError(
            f'lora.targets {targets!r} matches no linear layer of '
            f'{type(module).__name__}. Its linear layers are: '
            + ', '.join(shapes[:20])
        )
    config = LoraConfig(
        r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=matched
    )
    layer: Any
    for layer in module.modules():
        # timm's BEiT and EVA read the weight of qkv past the layer, and so
        # past its adapter, unless they add the bias by itself.
        if hasattr(layer, 'qkv_bias_separate'):
            layer.qkv_bias_separate = True
    inject_adapter_in_model(config, module)
    return matched


def dead_adapters(module: nn.Module, probe: Callable[[], Tensor]) -> list[str]:
    """Adapted layers whose adapter has no effect on the output.

    ``B`` is 0 at the start, so an adapter acts, to first order, if and only
    if the output has a gradient with respect to ``B``.

    Args:
        module (nn.Module): A network with LoRA, as :func:`add_lora` leaves
            it.
        probe (Callable): Runs the network on some input.

    Returns:
        list[str]: Names of the layers.
    """
    weights = {
        name.partition('.lora_B')[0]: parameter
        for name, parameter in module.named_parameters()
        if '.lora_B.' in name
    }
    training = module.training
    module.eval()
    with torch.enable_grad():
        output = probe().float()
        # Not the sum: that of a normalised state is constant.
        generator = torch.Generator().manual_seed(0)
        direction = torch.randn(output.shape, generator=generator)
        total = (output * direction.to(output.device)).sum()
        gradients: tuple = (None,) * len(weights)
        if total.requires_grad:
            gradients = torch.autograd.grad(
                total, list(weights.values()), allow_unused=True
            )
    module.train(training)
    return [
        name
        for name, gradient in zip(weights, gradients, strict=True)
        if gradient is None or not bool(gradient.any())
    ]


def merge_adapters(module: nn.Module) -> None:
    """Add every adapter to the weight below it, ``W + (alpha / rank) B A``.

    For inference: the layers then cost what they cost without LoRA. peft can
    undo it.

    Args:
        module (nn.Module): Changed in place.
    """
    for layer in module.modules():
        if isinstance(layer, BaseTunerLayer):
            layer.merge(safe_merge=True)


def unload_adapters(module: nn.Module) -> list[str]:
    """Merge every adapter and put the plain layer in its place, for good.

    The weights then have the names that they have without LoRA.

    Args:
        module (nn.Module): Changed in place.

    Returns:
        list[str]: Names of the layers that carried an adapter.
    """
    merge_adapters(module)
    adapted = [
        name
        for name, layer in module.named_modules()
        if isinstance(layer, BaseTunerLayer)
    ]
    for name in adapted:
        parent, _, child = name.rpartition('.')
        layer: Any = module.get_submodule(name)
        setattr(module.get_submodule(parent), child, layer.get_base_layer())
    return adapted


def set_finetuning(
    module: nn.Module,
    finetune: str,
    lora: Mapping | None,
    probe: Callable[[], Tensor],
) -> None:
    """Freeze a pretrained network, adapt it by LoRA, or train all of it.

    Args:
        module (nn.Module): The pretrained network, changed in place.
        finetune (str): 'frozen', 'lora' or 'full'.
        lora (Mapping | None): Arguments of :func:`add_lora`; only for 'lora'.
        probe (Callable): Runs the network on some input, to see that every
            adapter acts.

    Raises:
        ConfigError: If the mode or a key of ``lora`` does not exist, or an
            adapter changes nothing.
    """
    if finetune not in FINETUNE_MODES:
        raise ConfigError(
            f'finetune is {finetune!r}; it is one of '
            + ', '.join(FINETUNE_MODES)
        )
    settings = dict(lora or {})
    unknown = set(settings) - _LORA_KEYS
    if unknown:
        raise ConfigError(
            f'lora has no key {sorted(unknown)}; it has {sorted(_LORA_KEYS)}'
        )
    module.requires_grad_(finetune == 'full')
    if finetune == 'lora':
        add_lora(module, **settings)
        dead = dead_adapters(module, probe)
        if dead:
            raise ConfigError(
                f'LoRA on {len(dead)} layers of {type(module).__name__} '
                f'changes nothing, the first of them {dead[:3]}: the network '
                'does not call them, or nothing reads what they give. Leave '
                'them out of lora.targets'
            )
