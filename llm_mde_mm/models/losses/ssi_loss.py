"""Scale- and shift-invariant loss."""

from mmseg.registry import MODELS
from torch import Tensor

from .depth_loss import DepthLoss
from .functional import ssi_loss


@MODELS.register_module()
class ScaleShiftInvariantLoss(DepthLoss):
    """MiDaS's loss (arXiv 1907.01341) on depth; see :func:`ssi_loss`.

    Alone it leaves scale and shift free: score such a model aligned.

    Args:
        loss_weight (float): Factor of the loss.
        gradient_weight (float): Weight of the gradient term, MiDaS's 0.5; 0
            leaves it out.
        num_scales (int): Scales of the gradient term.
        max_depth (float | None): Ground truth beyond it is left out, in m.
        loss_name (str): Key in the log.
    """

    def __init__(
        self,
        loss_weight: float = 1.0,
        gradient_weight: float = 0.5,
        num_scales: int = 4,
        max_depth: float | None = None,
        loss_name: str = 'loss_ssi',
    ) -> None:
        super().__init__(loss_weight, max_depth, loss_name)
        self.gradient_weight = gradient_weight
        self.num_scales = num_scales

    def compute(
        self, prediction: Tensor, target: Tensor, valid: Tensor
    ) -> Tensor:
        """See :func:`ssi_loss`."""
        return ssi_loss(
            prediction, target, valid, self.gradient_weight, self.num_scales
        )
