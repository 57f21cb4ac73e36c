"""Vision model: a timm ViT with a fixed grid of patch tokens."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from timm.layers import QuickGELU
from torch import Tensor, nn
from torch.nn import functional as F

from llm_mde_mm.models.adapters import set_finetuning
from llm_mde_mm.utils.errors import ConfigError

from .timm_weights import build_timm, find_timm_source


@MODELS.register_module()
class TimmViT(BaseModule):
    """Patch tokens of a timm Vision Transformer, adapted by LoRA.

    B pictures, N = h * w patches, D_v vision width.

    Args:
        model_name (str): timm architecture.
        weights (str | None): None or 'random', a local file or folder, or a
            timm name with weights on the hub (which then also names the
            architecture).
        img_size (int | tuple): Height and width of the input in pixels, or
            one number for both;
            position embeddings are resampled to it.
        blocks (int | Sequence[int]): Which transformer blocks to read, from
            0, or from -1 for the last one; later blocks than the last read
            are removed. Each is read through the model's final norm, if its
            tokens have one: BEiT's and EVA's mostly have none.
        finetune (str): 'frozen', 'lora' or 'full'.
        lora (Mapping | None): ``rank``, ``alpha``, ``dropout``, ``targets``.
        with_cp (bool): In training, compute each block again for the backward
            pass instead of keeping what that needs: less memory, more time,
            the same gradients.
        model_kwargs (Mapping | None): Further arguments of timm's
            constructor, such as ``depth`` for a model without weights.

    Raises:
        ConfigError: If timm lacks the model, the model has no patch grid or
            no such block, the input is not a whole number of patches, heads
            do not divide the width, or an adapter would change nothing.
        WeightsError: If the weights cannot be found, fetched or fitted.
    """

    def __init__(
        self,
        model_name: str,
        weights: str | None = None,
        img_size: int | tuple[int, int] = (224, 224),
        blocks: int | Sequence[int] = -1,
        finetune: str = 'lora',
        lora: Mapping | None = None,
        with_cp: bool = False,
        model_kwargs: Mapping | None = None,
    ) -> None:
        super().__init__()
        source = find_timm_source(model_name, weights)
        self.pretrained = None if weights == 'random' else weights
        self.model_name = source.model_name
        if isinstance(img_size, int):
            img_size = (img_size, img_size)
        self.img_size = tuple(img_size)
        self.mean, self.std = source.mean, source.std
        self.with_cp = with_cp
        kwargs = dict(model_kwargs or {})
        for key in {'img_size', 'num_classes'} & set(kwargs):
            raise ConfigError(
                f'model_kwargs.{key} is not read: img_size has a key of its '
                'own, and there are no classes'
            )
        self.model: Any = build_timm(source, img_size=self.img_size, **kwargs)
        _check_grid(self.model, self.model_name, self.img_size)
        _check_heads(self.model, self.model_name)
        self.grid_size: tuple[int, int] = tuple(
            self.model.patch_embed.grid_size
        )
        self.num_prefix_tokens: int = self.model.num_prefix_tokens
        self.embed_dims: int = self.model.embed_dim
        self.blocks = self._block_numbers(blocks)
        # A block that nobody reads would cost time and, with an adapter,
        # leave parameters without a gradient.
        self.model.prune_intermediate_layers(list(self.blocks))
        _keep_less(self.model)
        set_finetuning(self.model, finetune, lora, self._probe)
        if with_cp:
            self.model.set_grad_checkpointing(self.training)

    def _block_numbers(self, blocks: int | Sequence[int]) -> tuple[int, ...]:
        depth = len(self.model.blocks)
        chosen = [blocks] if isinstance(blocks, int) else list(blocks)
        numbers = [b + depth if b < 0 else b for b in chosen]
        if not numbers or any(not 0 <= b < depth for b in numbers):
            raise ConfigError(
                f'blocks is {blocks!r}; {self.model_name} has the blocks 0 '
                f'to {depth - 1}'
            )
        if sorted(set(numbers)) != numbers:
            raise ConfigError(
                f'blocks is {blocks!r}: name each block once, in rising order'
            )
        return tuple(numbers)

    def _probe(self) -> Tensor:
        """Tokens of noise; adapters are tried with it."""
        generator = torch.Generator().manual_seed(0)
        return self(torch.randn(1, 3, *self.img_size, generator=generator))[-1]

    def train(self, mode: bool = True) -> 'TimmViT':
        """As torch's; only training has a backward pass to compute for."""
        if self.with_cp:
            self.model.set_grad_checkpointing(mode)
        return super().train(mode)

    def init_weights(self) -> None:
        """Leave the weights as the constructor has loaded them.

        MMEngine calls this before training, and its own would go on to the
        network's method of this name, which draws all of them at random.
        """

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Patch tokens after each block that is read, and the final norm.

        Args:
            inputs (Tensor): ``(B, 3, H, W)`` pictures, RGB, normalised with
                this model's own mean and std.

        Returns:
            tuple[Tensor, ...]: ``(B, N, D_v)`` a block, row by row; class
            and register tokens are left out.

        Raises:
            ConfigError: If the input has another size than ``img_size``.
        """
        if tuple(inputs.shape[-2:]) != self.img_size:
            raise ConfigError(
                f'the pictures are {tuple(inputs.shape[-2:])}, but '
                f'backbone.vision.img_size is {self.img_size}: give the '
                'pipelines and the model one size'
            )
        weight = self.model.patch_embed.proj.weight
        return tuple(
            self.model.forward_intermediates(
                inputs.to(weight.dtype),
                indices=list(self.blocks),
                norm=True,
                output_fmt='NLC',
                intermediates_only=True,
            )
        )


def _check_grid(model: Any, name: str, img_size: tuple[int, ...]) -> None:
    embed: Any = getattr(model, 'patch_embed', None)
    if getattr(embed, 'grid_size', None) is None or not hasattr(
        model, 'num_prefix_tokens'
    ):
        raise ConfigError(
            f'{name} has no fixed patch grid: a ViT with patch tokens is '
            'needed'
        )
    if any(
        s < p or s % p for s, p in zip(img_size, embed.patch_size, strict=True)
    ):
        raise ConfigError(
            f'img_size {img_size} is no whole number of '
            f'{embed.patch_size} patches'
        )


def _check_heads(model: Any, name: str) -> None:
    """BEiT and EVA build with such heads and fail in the forward pass."""
    width = model.embed_dim
    for block in model.blocks:
        heads = getattr(getattr(block, 'attn', None), 'num_heads', 1)
        if width % heads:
            raise ConfigError(
                f'{name} has tokens of width {width}, which {heads} heads do '
                'not divide: change model_kwargs.num_heads or embed_dim'
            )


class _QuickGELU(nn.Module):
    """CLIP's ``x * sigmoid(1.702 x)``, which keeps one map for the gradient.

    timm's keeps two; the second is a tenth of what a training step keeps.
    """

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(1.702 * x) / 1.702


def _keep_less(model: nn.Module) -> None:
    for parent in model.modules():
        for name, child in parent.named_children():
            if isinstance(child, QuickGELU):
                setattr(parent, name, _QuickGELU())
