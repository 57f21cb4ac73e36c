"""The vision model's mean and standard deviation, exact in every dtype."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn


class ExactBuffersMixin:
    """Keeps some buffers in float32 when a network is cast.

    bfloat16 rounds a mean of 122.8 to 123: with weights cast for inference
    the pictures would be normalised wrongly and their grey levels be lost.
    """

    exact_buffers: tuple[str, ...] = ()

    def _apply(self, fn: Callable, recurse: bool = True):
        kept = {name: getattr(self, name) for name in self.exact_buffers}
        super()._apply(fn, recurse)  # type: ignore[misc]
        for name, value in kept.items():
            setattr(self, name, value.to(getattr(self, name).device))
        return self


class Pixels(ExactBuffersMixin, nn.Module):
    """From normalised inputs back to the picture as it is.

    Args:
        mean (Sequence[float]): R, G, B in 0..1.
        std (Sequence[float]): Likewise.
    """

    exact_buffers = ('mean', 'std')
    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        for name, value in (('mean', mean), ('std', std)):
            scaled = torch.tensor(value).view(1, 3, 1, 1) * 255
            self.register_buffer(name, scaled, persistent=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """Whole numbers 0 to 255, ``(B, 3, H, W)`` as the inputs.

        Normalising is undone exactly: float32 loses far less than half a
        grey level on the way.
        """
        return (inputs.float() * self.std + self.mean).round().clamp(0, 255)
