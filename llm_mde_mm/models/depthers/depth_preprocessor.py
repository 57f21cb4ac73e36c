"""Data preprocessor that knows the vision model's normalisation."""

from collections.abc import Sequence
from typing import Any

import torch
from mmseg.models import SegDataPreProcessor
from mmseg.registry import MODELS
from torch import Tensor

from llm_mde_mm.models.normalisation import ExactBuffersMixin
from llm_mde_mm.models.vision.timm_weights import find_timm_source


@MODELS.register_module()
class DepthPreprocessor(ExactBuffersMixin, SegDataPreProcessor):
    """mmseg's preprocessor with a timm model's mean and std.

    timm states them for pictures in 0..1, mmseg wants 0..255. Depth is padded
    with 0, which means no measurement; mmseg's default of 255 would be
    metres. Pictures of one size go to the device and are normalised as one
    tensor: one by one, a GPU would be waited for several times a picture.

    Args:
        model_name (str): timm architecture, as the vision model's.
        weights (str | None): Likewise.
        size (tuple[int, int] | None): Pad training pictures to this height
            and width.
        size_divisor (int | None): Or to a multiple of this.
        test_cfg (dict | None): ``size`` or ``size_divisor`` in testing.
    """

    exact_buffers = ('mean', 'std')
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        model_name: str,
        weights: str | None = None,
        size: tuple[int, int] | None = None,
        size_divisor: int | None = None,
        test_cfg: dict | None = None,
    ) -> None:
        source = find_timm_source(model_name, weights)
        if size is None and size_divisor is None:
            # Pictures of one size need no padding; mmseg demands a word.
            size_divisor = 1
        super().__init__(
            size=size,
            size_divisor=size_divisor,
            pad_val=0,
            seg_pad_val=0,
            test_cfg=test_cfg,
        )
        for name, values in (('mean', source.mean), ('std', source.std)):
            scaled = torch.tensor([255 * value for value in values])
            self.register_buffer(name, scaled.view(3, 1, 1), persistent=False)

    def forward(
        self, data: dict[str, Any], training: bool = False
    ) -> dict[str, Any]:
        """mmseg's, on normalised pictures.

        Args:
            data (dict[str, Any]): ``inputs``, pictures ``(3, H, W)`` in
                B, G, R from 0 to 255, and ``data_samples``.
            training (bool): Whether they are padded as training pictures.

        Returns:
            dict[str, Any]: ``inputs`` ``(B, 3, H, W)`` in R, G, B, float32,
            and ``data_samples``.
        """
        inputs: Sequence[Tensor] | Tensor = data['inputs']
        if len({picture.shape for picture in inputs}) == 1:
            inputs = torch.stack(tuple(inputs))
        data = self.cast_data({**data, 'inputs': inputs})
        inputs = data['inputs']
        if isinstance(inputs, Tensor):
            pictures = list(self._normalise(inputs))
        else:
            pictures = [self._normalise(picture) for picture in inputs]
        return super().forward({**data, 'inputs': pictures}, training)

    def _normalise(self, pictures: Tensor) -> Tensor:
        """``(..., 3, H, W)``; the mirrored channels are a copy."""
        return pictures.flip(-3).float().sub_(self.mean).div_(self.std)
