from .depth_inferencer import DepthInferencer
from .prediction_files import DepthPrediction, save_prediction

__all__ = ['DepthInferencer', 'DepthPrediction', 'save_prediction']
