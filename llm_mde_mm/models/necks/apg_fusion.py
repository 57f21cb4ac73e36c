"""Neck: what the prompt says, brought to every pixel of the patch map."""

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from llm_mde_mm.models.features import LLMFeatures
from llm_mde_mm.utils.errors import ConfigError


@MODELS.register_module()
class APGFusion(BaseModule):
    """Cross-attention from patch states to prompt states.

    Each pixel reads the states of its picture's prompt and of one trained
    token. That token keeps the parameters the same with and without a
    prompt, so that prompt modes are compared at equal size and no parameter
    goes unused.

    B pictures, D language width, C feature width, (h, w) patch grid.

    Args:
        in_channels (int): D.
        channels (int): C.
        num_heads (int): Heads of the attention, a divisor of C.
        vision_channels (int | Sequence[int] | None): D_v adds the vision
            model's own patch tokens, a path round the language model; one D_v
            for each block of ``backbone.vision.blocks``, the last ones if
            there are fewer. None, as in the paper, leaves them out. In a
            config, 'all' stands for the widths of all blocks
            (:class:`LLMDepthEstimator`).

    Raises:
        ConfigError: If the heads do not divide C.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int = 256,
        num_heads: int = 8,
        vision_channels: int | Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        if num_heads < 1 or channels % num_heads:
            raise ConfigError(
                f'neck.num_heads is {num_heads}, which does '
                f'not divide neck.channels of {channels}'
            )
        self.num_heads = num_heads
        self.out_channels = channels
        self.patch_norm = nn.LayerNorm(in_channels)
        self.patch_proj = nn.Linear(in_channels, channels)
        if vision_channels is None:
            vision_channels = ()
        elif isinstance(vision_channels, int):
            vision_channels = (vision_channels,)
        self.vision_proj = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, channels))
            for width in vision_channels
        )
        self.query = nn.Linear(channels, channels)
        self.prompt_norm = nn.LayerNorm(in_channels)
        self.rest = nn.Parameter(torch.randn(1, 1, in_channels) * 0.02)
        self.key_value = nn.Linear(in_channels, 2 * channels)
        self.proj = nn.Linear(channels, channels)

    def forward(self, features: LLMFeatures) -> Tensor:
        """Fuse prompt and patches.

        Args:
            features (LLMFeatures): Patch map ``(B, D, h, w)``, prompt states
                ``(B, P, D)`` and their mask ``(B, P)``.

        Returns:
            Tensor: ``(B, C, h, w)``.

        Raises:
            ConfigError: If the vision model reads fewer blocks than
                ``vision_channels`` has.
        """
        patch_map, prompt, mask, vision_maps, _ = features
        around = vision_maps[len(vision_maps) - len(self.vision_proj) :]
        if len(around) != len(self.vision_proj):
            raise ConfigError(
                f'neck.vision_channels is for {len(self.vision_proj)} maps; '
                f'backbone.vision.blocks reads {len(vision_maps)}'
            )
        batch, _, height, width = patch_map.shape
        pixels = self.patch_proj(
            self.patch_norm(patch_map.flatten(2).transpose(1, 2))
        )
        for layer, vision_map in zip(self.vision_proj, around, strict=True):
            pixels = pixels + layer(vision_map.flatten(2).transpose(1, 2))
        sources = torch.cat([self.rest.expand(batch, -1, -1), prompt], 1)
        key, value = self.key_value(self.prompt_norm(sources)).chunk(2, dim=-1)
        seen = torch.cat([mask.new_ones(batch, 1), mask], 1)
        query, key, value = (
            t.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for t in (self.query(pixels), key, value)
        )
        told = F.scaled_dot_product_attention(
            query, key, value, attn_mask=seen[:, None, None, :]
        )
        told = self.proj(told.transpose(1, 2).flatten(2))
        # No norm behind: how much a pixel has to say is for the head to read.
        fused = pixels + told
        return fused.transpose(1, 2).unflatten(2, (height, width))
