"""Base of the depth losses: masking, averaging and AMP, once for all."""

from abc import abstractmethod

import torch
from torch import Tensor, nn

from .functional import valid_depth


class DepthLoss(nn.Module):
    """A weighted loss with one value a picture.

    Args:
        loss_weight (float): Factor of the loss.
        max_depth (float | None): Ground truth beyond it is left out, in m.
        loss_name (str): Key in the log; begins with 'loss', as MMEngine sums
            those keys.
    """

    def __init__(
        self, loss_weight: float, max_depth: float | None, loss_name: str
    ) -> None:
        super().__init__()
        if not loss_name.startswith('loss'):
            raise ValueError(
                f'loss_name is {loss_name!r}: it must begin '
                "with 'loss', or MMEngine leaves it out"
            )
        self.loss_weight = loss_weight
        self.max_depth = max_depth
        self.loss_name = loss_name

    @abstractmethod
    def compute(
        self, prediction: Tensor, target: Tensor, valid: Tensor
    ) -> Tensor:
        """``(B,)`` values of ``(B, H, W)`` maps; unweighted."""

    def per_picture(
        self, prediction: Tensor, target: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Weighted loss of each picture.

        Args:
            prediction (Tensor): ``(B, 1, H, W)`` depth in metres.
            target (Tensor): ``(B, 1, H, W)`` depth in metres, 0 = none.

        Returns:
            tuple[Tensor, Tensor]: Values ``(B,)`` and whether the picture has
            a valid pixel, ``(B,)`` bool.
        """
        prediction, target = prediction.squeeze(1), target.squeeze(1)
        valid = valid_depth(target, self.max_depth)
        with torch.autocast(prediction.device.type, enabled=False):
            values = self.compute(prediction, target, valid)
        return self.loss_weight * values, valid.flatten(1).any(1)

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Mean over the pictures that have a valid pixel.

        A batch without any gives a 0 that still depends on the prediction,
        so that every trained parameter gets a gradient.
        """
        values, has_valid = self.per_picture(prediction, target)
        return (values * has_valid).sum() / has_valid.sum().clamp(min=1)
