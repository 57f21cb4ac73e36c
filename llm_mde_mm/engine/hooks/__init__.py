from .parameter_table_hook import ParameterTableHook
from .prediction_hooks import ComparisonSheetHook, SavePredictionsHook
from .progress_bar_hook import ProgressBarHook
from .prompt_log_hook import PromptLogHook
from .safe_checkpoint_hook import SafeCheckpointHook

__all__ = [
    'ComparisonSheetHook',
    'ParameterTableHook',
    'ProgressBarHook',
    'PromptLogHook',
    'SafeCheckpointHook',
    'SavePredictionsHook',
]
