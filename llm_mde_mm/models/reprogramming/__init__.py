from .cross_modal import CrossModalReprogramming
from .text_prototypes import TextPrototypes

__all__ = ['CrossModalReprogramming', 'TextPrototypes']
