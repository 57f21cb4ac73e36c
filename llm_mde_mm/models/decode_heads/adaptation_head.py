"""Adaptation head: linear layer, three up-sampling blocks, sigmoid."""

import math
from collections.abc import Sequence

import torch
from mmcv.cnn import build_norm_layer
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from llm_mde_mm.models.features import WithPicture
from llm_mde_mm.utils.errors import ConfigError

from .base_depth_head import BaseDepthHead

# An untrained head gives its initial depth nearly everywhere.
_OUT_STD = 1e-3


class UpBlock(BaseModule):
    """Up-sampling, and two convolutions with norms in a residual branch.

    Both run at the new size, where edges can become sharp, and at the new
    width, to which a 1 x 1 convolution leads before the up-sampling.

    Args:
        in_channels (int): Channels in.
        out_channels (int): Channels out.
        norm_cfg (dict): MMCV's config of the norm layer.
        picture_channels (int | None): Channels that the first convolution
            also reads, made of the picture.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        norm_cfg: dict,
        picture_channels: int | None = None,
    ) -> None:
        super().__init__()
        more = picture_channels or 0
        self.width = (
            nn.Identity()
            if in_channels == out_channels
            else nn.Conv2d(in_channels, out_channels, 1)
        )
        self.conv1 = _conv3x3(out_channels + more, out_channels)
        self.norm1 = build_norm_layer(norm_cfg, out_channels)[1]
        self.conv2 = _conv3x3(out_channels, out_channels)
        self.norm2 = build_norm_layer(norm_cfg, out_channels)[1]
        self.picture = _conv3x3(3, more) if more else None

    def forward(self, x: Tensor, picture: Tensor | None = None) -> Tensor:
        """``(B, C, h, w)``, ``(B, 3, H, W)`` to ``(B, C', 2h, 2w)``."""
        x = F.interpolate(
            self.width(x),
            scale_factor=2,
            mode='bilinear',
            align_corners=False,
        )
        around = x
        if self.picture is not None and picture is not None:
            small = F.interpolate(picture, size=x.shape[-2:], mode='area')
            seen = F.elu(self.picture(small.to(x.dtype)))
            around = torch.cat([x, seen.to(x.dtype)], 1)
        around = F.elu(self.norm1(self.conv1(around)), inplace=True)
        return x + self.norm2(self.conv2(around))


class FullSize(BaseModule):
    """Logits at the picture's size, with what its pixels add to them.

    A hidden layer of the map, a pixel each, and of the picture, 3 x 3 pixels
    each; the map goes through it before it is enlarged, which is the same and
    costs less.

    Args:
        in_channels (int): Channels of the map.
        channels (int): Channels of the hidden layer.
    """

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.features = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.picture = _conv3x3(3, channels)
        self.out = _conv3x3(channels, 1, bias=False)
        nn.init.normal_(self.out.weight, std=_OUT_STD)

    def forward(self, logits: Tensor, x: Tensor, picture: Tensor) -> Tensor:
        """``(B, 1, h, w)``, ``(B, C, h, w)``, picture to ``(B, 1, H, W)``."""
        size = picture.shape[-2:]
        logits, hidden = (
            F.interpolate(t, size=size, mode='bilinear', align_corners=False)
            for t in (logits, self.features(x))
        )
        seen = self.picture(picture.to(x.dtype))
        return logits + self.out(F.elu(hidden + seen))


def _conv3x3(
    in_channels: int, out_channels: int, bias: bool = True
) -> nn.Conv2d:
    """A convolution that sees no black frame round the map."""
    return nn.Conv2d(
        in_channels,
        out_channels,
        3,
        padding=1,
        padding_mode='replicate',
        bias=bias,
    )


@MODELS.register_module()
class AdaptationHead(BaseDepthHead):
    """The paper's head (arXiv 2409.01133), on the fused feature map.

    Args:
        in_channels (int): C, channels of the feature map.
        channels (Sequence[int]): Channels of each up-sampling block; every
            block doubles the size.
        norm_cfg (dict): MMCV's config of the norm layers; 'SyncBN' by
            default.
        initial_depth (float): Depth in metres that an untrained head gives on
            average; a start near the data's saves steps.
        picture_channels (int | None): Channels of a path round backbone and
            neck: each block's first convolution and one last layer at the
            network's input size also read so many, made of the picture by a
            3 x 3 convolution. None, as in the paper, leaves them out.
        **kwargs: ``loss_decode``, ``min_depth``, ``max_depth``,
            ``init_cfg`` of :class:`BaseDepthHead`.

    Raises:
        ConfigError: If the initial depth is outside the range, or
            ``picture_channels`` is below 1.
    """

    def __init__(
        self,
        in_channels: int,
        channels: Sequence[int] = (192, 96, 48),
        norm_cfg: dict | None = None,
        initial_depth: float = 2.5,
        picture_channels: int | None = None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        if picture_channels is not None and picture_channels < 1:
            raise ConfigError(
                f'decode_head.picture_channels is {picture_channels}: give '
                'at least 1, or None to leave the picture out'
            )
        self.in_channels = in_channels
        self.reads_picture = picture_channels is not None
        norm_cfg = norm_cfg or dict(type='SyncBN')
        self.linear = nn.Conv2d(in_channels, channels[0], 1)
        widths = [channels[0], *channels]
        self.blocks = nn.ModuleList(
            UpBlock(a, b, norm_cfg, picture_channels)
            for a, b in zip(widths[:-1], widths[1:], strict=True)
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
        nn.init.normal_(self.out.weight, std=_OUT_STD)
        nn.init.constant_(self.out.bias, math.log(share / (1 - share)))
        self.full_size = None
        if picture_channels is not None:
            self.full_size = FullSize(channels[-1], picture_channels)

    def logits(self, features: Tensor | WithPicture) -> Tensor:
        """``(B, 1, 8h, 8w)`` of ``(B, C, h, w)``, with three blocks.

        ``(B, 1, H, W)`` with ``picture_channels``, of a
        :class:`WithPicture`.

        Raises:
            ConfigError: If the picture is to be read and does not come.
        """
        picture = None
        if self.reads_picture:
            if not isinstance(features, WithPicture):
                raise ConfigError(
                    'decode_head.picture_channels needs the picture, which '
                    'only the decode_head of an LLMDepthEstimator gets'
                )
            features, picture = features
        x = self.linear(features)
        for block in self.blocks:
            x = block(x, picture)
        logits = self.out(x)
        if self.full_size is None or picture is None:
            return logits
        return self.full_size(logits, x, picture)
