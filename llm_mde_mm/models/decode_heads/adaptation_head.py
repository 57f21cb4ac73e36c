"""Adaptation head: linear layer, three up-sampling blocks, sigmoid."""

import math
from collections.abc import Sequence

from mmcv.cnn import build_norm_layer
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from llm_mde_mm.utils.errors import ConfigError

from .base_depth_head import BaseDepthHead


class UpBlock(BaseModule):
    """Up-sampling, convolution, norm, ELU and a residual connection.

    A convolution to the new width goes before, at a quarter of what it would
    cost behind.

    Args:
        in_channels (int): Channels in.
        out_channels (int): Channels out.
        norm_cfg (dict): MMCV's config of the norm layer.
    """

    def __init__(
        self, in_channels: int, out_channels: int, norm_cfg: dict
    ) -> None:
        super().__init__()
        self.conv1 = _conv3x3(in_channels, out_channels)
        self.norm1 = build_norm_layer(norm_cfg, out_channels)[1]
        self.conv2 = _conv3x3(out_channels, out_channels)
        self.norm2 = build_norm_layer(norm_cfg, out_channels)[1]

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, h, w)`` to ``(B, C', 2h, 2w)``."""
        x = F.elu(self.norm1(self.conv1(x)))
        x = F.interpolate(
            x, scale_factor=2, mode='bilinear', align_corners=False
        )
        return x + F.elu(self.norm2(self.conv2(x)))


def _conv3x3(in_channels: int, out_channels: int) -> nn.Conv2d:
    """A convolution that sees no black frame round the map."""
    return nn.Conv2d(
        in_channels, out_channels, 3, padding=1, padding_mode='replicate'
    )


@MODELS.register_module()
class AdaptationHead(BaseDepthHead):
    """The paper's head (arXiv 2409.01133), on the fused feature map.

    Args:
        in_channels (int): C, channels of the feature map.
        channels (Sequence[int]): Channels of each up-sampling block; every
            block doubles the size.
        norm_cfg (dict): MMCV's config of the norm layers: 'GN', 'BN' or
            'SyncBN'.
        initial_depth (float): Depth in metres that an untrained head gives on
            average; a start near the data's saves steps.
        **kwargs: ``loss_decode``, ``min_depth``, ``max_depth``,
            ``init_cfg`` of :class:`BaseDepthHead`.

    Raises:
        ConfigError: If the initial depth is outside the range.
    """

    def __init__(
        self,
        in_channels: int,
        channels: Sequence[int] = (192, 96, 48),
        norm_cfg: dict | None = None,
        initial_depth: float = 2.5,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        norm_cfg = norm_cfg or dict(type='GN', num_groups=8)
        self.linear = nn.Conv2d(in_channels, channels[0], 1)
        widths = [channels[0], *channels]
        self.blocks = nn.Sequential(
            *(
                UpBlock(a, b, norm_cfg)
                for a, b in zip(widths[:-1], widths[1:], strict=True)
            )
        )
        self.out = _conv3x3(channels[-1], 1)
        assert self.out.bias is not None
        share = (initial_depth - self.min_depth) / (
            self.max_depth - self.min_depth
        )
        if not 0 < share < 1:
            raise ConfigError(
                f'initial_depth {initial_depth} m lies outside '
                f'{self.min_depth} to {self.max_depth} m'
            )
        nn.init.normal_(self.out.weight, std=1e-3)
        nn.init.constant_(self.out.bias, math.log(share / (1 - share)))

    def logits(self, features: Tensor) -> Tensor:
        """``(B, 1, 8h, 8w)`` of ``(B, C, h, w)``, with three blocks."""
        return self.out(self.blocks(F.elu(self.linear(features))))
