from .bf16_optim_wrapper import BF16OptimWrapper
from .depth_runner import DepthRunner
from .hooks import (
    ComparisonSheetHook,
    FiniteLossHook,
    ParameterTableHook,
    ProgressBarHook,
    PromptLogHook,
    ResumableEarlyStoppingHook,
    ResumeStateHook,
    RunRecordHook,
    SavePredictionsHook,
)
from .loops import ResumableEpochLoop

__all__ = [
    'BF16OptimWrapper',
    'ComparisonSheetHook',
    'DepthRunner',
    'FiniteLossHook',
    'ParameterTableHook',
    'ProgressBarHook',
    'PromptLogHook',
    'ResumableEarlyStoppingHook',
    'ResumableEpochLoop',
    'ResumeStateHook',
    'RunRecordHook',
    'SavePredictionsHook',
]
