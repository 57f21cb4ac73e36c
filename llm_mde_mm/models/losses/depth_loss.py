"""Base of the depth losses: masking, averaging and AMP, once for all."""

from abc import abstractmethod

import torch
from mmengine.dist import all_reduce, get_world_size
from torch import Tensor, nn

from .functional import valid_depth


def mean_over_pictures(values: Tensor, counted: Tensor) -> Tensor:
    """Mean of one value a picture, over those of all processes that count.

    Gradients of several processes are averaged. A process that divided by
    its own pictures would give those more weight than another's as soon as
    the numbers of pictures that count differ; so the sum is divided by the
    processes' mean number.

    Args:
        values (Tensor): ``(B,)``.
        counted (Tensor): ``(B,)`` bool. The number may differ between
            processes, the number of calls must not.

    Returns:
        Tensor: Scalar, this process's share: the mean of all shares is that
        of the pictures. Where nothing counts, a 0 that still depends on
        ``values``, so that every trained parameter gets a gradient.
    """
    count = counted.sum().to(values.dtype)
    all_reduce(count, op='mean')
    least = 1 / get_world_size()
    return torch.where(counted, values, 0.0).sum() / count.clamp(min=least)


class DepthLoss(nn.Module):
    """A weighted loss with one value a picture.

    Args:
        loss_weight (float): Factor of the loss.
        max_depth (float | None): Ground truth beyond it is left out, in m.
        loss_name (str): Key in the log; begins with 'loss', as MMEngine sums
            those keys, and is not 'loss', their sum.

    Raises:
        ValueError: If the name is none of these.
    """

    def __init__(
        self, loss_weight: float, max_depth: float | None, loss_name: str
    ) -> None:
        super().__init__()
        if not loss_name.startswith('loss') or loss_name == 'loss':
            raise ValueError(
                f'loss_name is {loss_name!r}: it must begin '
                "with 'loss', or MMEngine leaves it out, and 'loss' is the sum"
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

        See :func:`mean_over_pictures` for several processes, and for batches
        without any such picture.
        """
        return mean_over_pictures(*self.per_picture(prediction, target))
