from .backbones import LLMDepthBackbone, VisionDepthBackbone
from .decode_heads import AdaptationHead, BaseDepthHead, RidgeProbe
from .depthers import DepthPreprocessor, LLMDepthEstimator
from .features import LLMFeatures, WithPicture
from .language import HFLanguageModel
from .losses import (
    DepthLoss,
    ScaleInvariantLogLoss,
    ScaleShiftInvariantLoss,
)
from .necks import APGFusion
from .prompts import OtherPromptGenerator, PromptGenerator
from .reprogramming import CrossModalReprogramming, TextPrototypes
from .vision import TimmViT

__all__ = [
    'APGFusion',
    'AdaptationHead',
    'BaseDepthHead',
    'CrossModalReprogramming',
    'DepthLoss',
    'DepthPreprocessor',
    'HFLanguageModel',
    'LLMDepthBackbone',
    'LLMDepthEstimator',
    'LLMFeatures',
    'OtherPromptGenerator',
    'PromptGenerator',
    'RidgeProbe',
    'ScaleInvariantLogLoss',
    'ScaleShiftInvariantLoss',
    'TextPrototypes',
    'TimmViT',
    'VisionDepthBackbone',
    'WithPicture',
]
