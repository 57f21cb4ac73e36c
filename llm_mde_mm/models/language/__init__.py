from .hf_language import HFLanguageModel

__all__ = ['HFLanguageModel']
