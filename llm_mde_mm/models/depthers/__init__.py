from .depth_preprocessor import DepthPreprocessor
from .llm_depth_estimator import LLMDepthEstimator

__all__ = ['DepthPreprocessor', 'LLMDepthEstimator']
