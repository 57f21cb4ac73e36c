from .llm_depth_backbone import LLMDepthBackbone

__all__ = ['LLMDepthBackbone']
