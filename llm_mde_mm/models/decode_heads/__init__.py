from .adaptation_head import AdaptationHead
from .base_depth_head import BaseDepthHead
from .ridge_probe import RidgeProbe

__all__ = ['AdaptationHead', 'BaseDepthHead', 'RidgeProbe']
