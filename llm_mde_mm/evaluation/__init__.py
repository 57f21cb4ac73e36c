"""Depth scores, the constant that they must beat, and their metrics."""

from .constant_baseline import ConstantBaseline
from .depth_metric import MonocularDepthMetric, NonFinitePredictionError
from .functional import align, depth_scores, eval_mask
from .loss_metric import ValidationLoss

__all__ = [
    'ConstantBaseline',
    'MonocularDepthMetric',
    'NonFinitePredictionError',
    'ValidationLoss',
    'align',
    'depth_scores',
    'eval_mask',
]
