"""One linear layer a patch, and bilinear interpolation."""

from mmseg.registry import MODELS
from torch import Tensor, nn

from llm_mde_mm.models import BaseDepthHead


@MODELS.register_module()
class BilinearHead(BaseDepthHead):
    """Depth of each patch by one linear layer.

    Args:
        in_channels (int): Channels of the feature map.
        **kwargs: Those of :class:`BaseDepthHead`.
    """

    def __init__(self, in_channels: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.in_channels = in_channels
        self.linear = nn.Conv2d(in_channels, 1, 1)

    def logits(self, features: Tensor) -> Tensor:
        """``(B, 1, h, w)`` of ``(B, C, h, w)``."""
        return self.linear(features)
