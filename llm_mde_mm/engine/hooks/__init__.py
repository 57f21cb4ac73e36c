from .parameter_table_hook import ParameterTableHook
from .prediction_hooks import ComparisonSheetHook, SavePredictionsHook
from .progress_bar_hook import ProgressBarHook
from .prompt_log_hook import PromptLogHook

__all__ = [
    'ComparisonSheetHook',
    'ParameterTableHook',
    'ProgressBarHook',
    'PromptLogHook',
    'SavePredictionsHook',
]
