"""Base of the heads: from a feature map to depth, loss and prediction."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from mmseg.utils import SampleList
from torch import Tensor, nn

from llm_mde_mm.models.losses.functional import resize_depth, wide
from llm_mde_mm.utils.errors import ConfigError


class BaseDepthHead(BaseModule):
    """What mmseg's ``DepthEstimator`` asks of a head.

    A subclass gives :meth:`logits`, a map of any size; this class turns it
    into metres, ``min_depth + (max_depth - min_depth) * sigmoid``, scores it
    in training and resizes it to the input. If a subclass sets
    ``reads_picture``, :class:`LLMDepthEstimator` hands its decode head a
    :class:`WithPicture` in place of the feature map.

    B pictures, C channels, (h, w) feature map, H x W input.

    Args:
        loss_decode (Sequence[dict]): Configs of the losses, summed.
        min_depth (float): Nearest depth that can be predicted, in metres.
        max_depth (float): Farthest, in metres.
        init_cfg (dict | None): MMEngine's weight initialisation.

    Raises:
        ConfigError: If the range is empty, two losses share a name, or one
            is no :class:`DepthLoss`.
    """

    # Read by mmseg's estimators.
    align_corners = False
    num_classes = 1
    out_channels = 1
    # Read by LLMDepthEstimator; a head that knows its width says so.
    reads_picture = False
    in_channels: int | None = None

    def __init__(
        self,
        loss_decode: Sequence[dict],
        min_depth: float = 1e-3,
        max_depth: float = 10.0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if not 0 <= min_depth < max_depth:
            raise ConfigError(
                f'min_depth {min_depth} and max_depth '
                f'{max_depth} make no range in metres'
            )
        self.min_depth, self.max_depth = min_depth, max_depth
        self.losses: Any = nn.ModuleList(MODELS.build(c) for c in loss_decode)
        for loss in self.losses:
            if not hasattr(loss, 'per_picture'):
                raise ConfigError(
                    f'loss_decode has a {type(loss).__name__}, which has no '
                    'per_picture for validation: give a DepthLoss, such as '
                    'ScaleInvariantLogLoss'
                )
        names = [loss.loss_name for loss in self.losses]
        if len(set(names)) < len(names):
            raise ConfigError(
                f'loss_decode has names {names}: give each its own loss_name'
            )

    @abstractmethod
    def logits(self, features: Any) -> Tensor:
        """``(B, 1, h', w')`` map before the sigmoid, of ``(B, C, h, w)``."""

    def forward(self, features: Any) -> Tensor:
        """Depth ``(B, 1, h', w')`` in metres, in float32 at least."""
        share = torch.sigmoid(wide(self.logits(features)))
        return self.min_depth + (self.max_depth - self.min_depth) * share

    def loss(
        self,
        features: Any,
        data_samples: SampleList,
        train_cfg: dict | None,
    ) -> dict[str, Tensor]:
        """Losses at the ground truth's size.

        Args:
            features (Tensor | WithPicture): ``(B, C, h, w)``.
            data_samples (SampleList): With ``gt_depth_map`` ``(1, H, W)`` m.
            train_cfg (dict | None): Not read; mmseg passes it.

        Returns:
            dict[str, Tensor]: One scalar a loss, by its name.
        """
        target = torch.stack(
            [sample.gt_depth_map.data for sample in data_samples]
        )
        depth = resize_depth(self(features), target.shape[-2:])
        return {loss.loss_name: loss(depth, target) for loss in self.losses}

    @torch.no_grad()
    def picture_loss(
        self, depth: Tensor, target: Tensor
    ) -> dict[str, float] | None:
        """The same losses of one picture, for validation.

        Args:
            depth (Tensor): ``(1, H, W)`` predicted depth in metres.
            target (Tensor): ``(1, H, W)`` ground truth, 0 = none.

        Returns:
            dict[str, float] | None: By name, None without a valid pixel.
        """
        values = {}
        for loss in self.losses:
            value, has_valid = loss.per_picture(depth[None], target[None])
            if not bool(has_valid):
                return None
            values[loss.loss_name] = float(value)
        return values

    def predict(
        self,
        features: Any,
        batch_img_metas: list[dict],
        test_cfg: dict | None,
    ) -> Tensor:
        """Depth ``(B, 1, H, W)`` in metres at the network's input size."""
        meta = batch_img_metas[0]
        size = meta.get('pad_shape') or meta['img_shape']
        return resize_depth(self(features), tuple(size[:2]))
