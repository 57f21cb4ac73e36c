from .depth_loss import DepthLoss
from .silog_loss import ScaleInvariantLogLoss
from .ssi_loss import ScaleShiftInvariantLoss

__all__ = ['DepthLoss', 'ScaleInvariantLogLoss', 'ScaleShiftInvariantLoss']
