from .apg_fusion import APGFusion

__all__ = ['APGFusion']
