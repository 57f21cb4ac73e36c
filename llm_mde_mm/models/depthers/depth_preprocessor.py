"""Data preprocessor that knows the vision model's normalisation."""

from mmseg.models import SegDataPreProcessor
from mmseg.registry import MODELS

from llm_mde_mm.models.normalisation import ExactBuffersMixin
from llm_mde_mm.models.vision.timm_weights import find_timm_source


@MODELS.register_module()
class DepthPreprocessor(ExactBuffersMixin, SegDataPreProcessor):
    """mmseg's preprocessor with a timm model's mean and std.

    timm states them for pictures in 0..1, mmseg wants 0..255. Depth is padded
    with 0, which means no measurement; mmseg's default of 255 would be
    metres.

    Args:
        model_name (str): timm architecture, as the vision model's.
        weights (str | None): Likewise.
        size (tuple[int, int] | None): Pad training pictures to this height
            and width.
        size_divisor (int | None): Or to a multiple of this.
        test_cfg (dict | None): ``size`` or ``size_divisor`` in testing.
    """

    exact_buffers = ('mean', 'std')

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
            mean=[255 * value for value in source.mean],
            std=[255 * value for value in source.std],
            size=size,
            size_divisor=size_divisor,
            pad_val=0,
            seg_pad_val=0,
            bgr_to_rgb=True,
            test_cfg=test_cfg,
        )
