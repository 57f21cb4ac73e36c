"""Backbone: a picture through the vision model alone, as a control."""

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor

from llm_mde_mm.models.features import LLMFeatures


@MODELS.register_module()
class VisionDepthBackbone(BaseModule):
    """The vision model's patch tokens where a language model's states go.

    What :class:`LLMDepthBackbone` is compared with: neck and head are the
    same, there is no prompt, no prototype and no reprogramming. D, the width
    that the neck reads, is the vision model's.

    Args:
        vision (dict): Config of the vision model.
    """

    def __init__(self, vision: dict) -> None:
        super().__init__()
        self.vision = MODELS.build(vision)
        self.embed_dims: int = self.vision.embed_dims

    def forward(
        self, inputs: Tensor, valid: Tensor | None = None
    ) -> LLMFeatures:
        """Run the vision model.

        Args:
            inputs (Tensor): ``(B, 3, H, W)`` RGB, normalised with the vision
                model's mean and std.
            valid (Tensor | None): Not read; there is no prompt that padding
                could reach.

        Returns:
            LLMFeatures: The last block's patch map ``(B, D, h, w)``, no
            prompt, and the maps of all blocks that are read.
        """
        maps = tuple(
            tokens.transpose(1, 2).unflatten(2, self.vision.grid_size)
            for tokens in self.vision(inputs)
        )
        batch = inputs.shape[0]
        return LLMFeatures(
            maps[-1],
            maps[-1].new_zeros(batch, 0, self.embed_dims),
            torch.ones(batch, 0, dtype=torch.bool, device=inputs.device),
            maps,
        )
