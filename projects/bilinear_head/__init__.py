"""A third party's decode head."""

from .bilinear_head import BilinearHead

__all__ = ['BilinearHead']
