from .adaptation_head import AdaptationHead
from .base_depth_head import BaseDepthHead

__all__ = ['AdaptationHead', 'BaseDepthHead']
