from .parameter_table_hook import ParameterTableHook
from .prediction_hooks import ComparisonSheetHook, SavePredictionsHook
from .progress_bar_hook import ProgressBarHook

__all__ = [
    'ComparisonSheetHook',
    'ParameterTableHook',
    'ProgressBarHook',
    'SavePredictionsHook',
]
