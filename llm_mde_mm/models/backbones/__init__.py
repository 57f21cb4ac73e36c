from .llm_depth_backbone import LLMDepthBackbone
from .vision_depth_backbone import VisionDepthBackbone

__all__ = ['LLMDepthBackbone', 'VisionDepthBackbone']
