"""Scale-invariant logarithmic loss."""

from mmseg.registry import MODELS
from torch import Tensor

from llm_mde_mm.utils.errors import ConfigError

from .depth_loss import DepthLoss
from .functional import silog_loss


@MODELS.register_module()
class ScaleInvariantLogLoss(DepthLoss):
    """SILog (arXiv 1406.2283) with a finite gradient everywhere.

    mmseg's ``SiLogLoss`` has a NaN gradient where the prediction is exact;
    see :func:`silog_loss` for this one.

    Args:
        loss_weight (float): Factor of the loss.
        variance_focus (float): 1 ignores the scale, 0 is the log RMSE.
        gradient_weight (float): Weight of the gradient term of the
            logarithms' difference; 0 leaves it out.
        num_scales (int): Scales of the gradient term.
        max_depth (float | None): Ground truth beyond it is left out, in m.
        loss_name (str): Key in the log.

    Raises:
        ConfigError: If the focus is not of 0 to 1, beyond which the root is
            of a negative number.
    """

    def __init__(
        self,
        loss_weight: float = 1.0,
        variance_focus: float = 0.5,
        gradient_weight: float = 0.0,
        num_scales: int = 4,
        max_depth: float | None = None,
        loss_name: str = 'loss_silog',
    ) -> None:
        super().__init__(loss_weight, max_depth, loss_name)
        if not 0 <= variance_focus <= 1:
            raise ConfigError(
                f'variance_focus is {variance_focus}: give 0 to 1'
            )
        self.variance_focus = variance_focus
        self.gradient_weight = gradient_weight
        self.num_scales = num_scales

    def compute(
        self, prediction: Tensor, target: Tensor, valid: Tensor
    ) -> Tensor:
        """See :func:`silog_loss`."""
        return silog_loss(
            prediction,
            target,
            valid,
            self.variance_focus,
            self.gradient_weight,
            self.num_scales,
        )
