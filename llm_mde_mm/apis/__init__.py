from .depth_inferencer import DepthInferencer, DepthPrediction, save_prediction

__all__ = ['DepthInferencer', 'DepthPrediction', 'save_prediction']
