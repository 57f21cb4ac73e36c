"""What a linear read-out of a frozen vision model knows of depth."""

import torch
from mmseg.registry import MODELS
from torch import Tensor

from llm_mde_mm.models.features import LLMFeatures

from .base_depth_head import BaseDepthHead


@MODELS.register_module()
class RidgeProbe(BaseDepthHead):
    """Log depth as a linear function of a patch's tokens, fitted at once.

    A baseline without a network of its own: ridge regression on the patch
    tokens of all blocks that ``backbone.vision.blocks`` reads. It is not
    trained by gradients but by :meth:`fit`, which
    ``tools/fit_ridge_probe.py`` calls.

    Args:
        in_channels (int): Width of the tokens, of all blocks together.
        **kwargs: ``min_depth`` and ``max_depth`` of :class:`BaseDepthHead`.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, in_channels: int, **kwargs) -> None:
        super().__init__(loss_decode=(), **kwargs)
        self.in_channels = in_channels
        self.register_buffer('weight', torch.zeros(in_channels))
        self.register_buffer('bias', torch.zeros(()))

    @staticmethod
    def tokens(features: LLMFeatures) -> Tensor:
        """The tokens of all blocks side by side, ``(B, C, h, w)``."""
        return torch.cat(features.vision_maps, 1)

    def fit(self, tokens: Tensor, log_depth: Tensor, penalty: float) -> None:
        """Minimise ``sum (w x + b - y)^2 + penalty |w|^2`` over w and b.

        Channels count by their standard deviation.

        Args:
            tokens (Tensor): ``(n, C)``.
            log_depth (Tensor): ``(n,)``, of metres.
            penalty (float): Above 0.
        """
        x, y = tokens.double(), log_depth.double()
        mean, std = x.mean(0), x.std(0).clamp(min=1e-6)
        x = (x - mean) / std
        gram = x.T @ x
        gram.diagonal().add_(penalty)
        weight = torch.linalg.solve(gram, x.T @ (y - y.mean())) / std
        self.weight.copy_(weight)
        self.bias.copy_(y.mean() - mean @ weight)

    def logits(self, features: LLMFeatures) -> Tensor:
        """Log of metres ``(B, 1, h, w)``."""
        tokens = self.tokens(features).float()
        weight = self.weight.view(1, -1, 1, 1)
        return (tokens * weight).sum(1, keepdim=True) + self.bias

    def forward(self, features: LLMFeatures) -> Tensor:
        """Depth ``(B, 1, h, w)`` in metres, within the range."""
        return (
            self.logits(features).exp().clamp(self.min_depth, self.max_depth)
        )
