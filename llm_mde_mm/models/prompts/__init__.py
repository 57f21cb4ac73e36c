from .generator import DISTANCE_WORDS, PROMPT_MODES, PromptGenerator
from .statistics import picture_statistics
from .template import PromptTemplate

__all__ = [
    'DISTANCE_WORDS',
    'PROMPT_MODES',
    'PromptGenerator',
    'PromptTemplate',
    'picture_statistics',
]
