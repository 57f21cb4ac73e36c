from .distance import DISTANCE_EDGES, DISTANCE_WORDS, DistanceClassifier
from .generator import DISTANCE_MODES, PROMPT_MODES, PromptGenerator
from .other_picture import OtherPromptGenerator, shift_prompts
from .prompt import SOFT_ID, Prompt
from .statistics import picture_statistics
from .template import PromptTemplate

__all__ = [
    'DISTANCE_EDGES',
    'DISTANCE_MODES',
    'DISTANCE_WORDS',
    'DistanceClassifier',
    'OtherPromptGenerator',
    'PROMPT_MODES',
    'Prompt',
    'PromptGenerator',
    'PromptTemplate',
    'SOFT_ID',
    'picture_statistics',
    'shift_prompts',
]
