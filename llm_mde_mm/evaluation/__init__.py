"""Depth scores, the constant that they must beat, and their metrics."""

from .alignment import align
from .constant_baseline import ConstantBaseline
from .depth_metric import MonocularDepthMetric
from .functional import depth_scores, eval_mask
from .loss_metric import ValidationLoss
from .protocols import PROTOCOLS, Protocol, get_protocol
from .scoring import NonFinitePredictionError

__all__ = [
    'PROTOCOLS',
    'ConstantBaseline',
    'MonocularDepthMetric',
    'NonFinitePredictionError',
    'Protocol',
    'ValidationLoss',
    'align',
    'depth_scores',
    'eval_mask',
    'get_protocol',
]
