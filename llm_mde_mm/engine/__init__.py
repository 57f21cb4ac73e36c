from .bf16_optim_wrapper import BF16OptimWrapper
from .depth_runner import DepthRunner
from .hooks import (
    ComparisonSheetHook,
    FiniteLossHook,
    ParameterTableHook,
    PatchSpreadHook,
    ProgressBarHook,
    PromptLogHook,
    ResumableEarlyStoppingHook,
    ResumeStateHook,
    RunRecordHook,
    SafeCheckpointHook,
    SavePredictionsHook,
)
from .loops import ResumableEpochLoop
from .sharded_parts import ShardedDepthModel, ShardedOptimWrapper
from .sharded_runner import ShardedRunner

__all__ = [
    'BF16OptimWrapper',
    'ComparisonSheetHook',
    'DepthRunner',
    'FiniteLossHook',
    'ParameterTableHook',
    'PatchSpreadHook',
    'ProgressBarHook',
    'PromptLogHook',
    'SafeCheckpointHook',
    'ResumableEarlyStoppingHook',
    'ResumableEpochLoop',
    'ResumeStateHook',
    'RunRecordHook',
    'SavePredictionsHook',
    'ShardedDepthModel',
    'ShardedOptimWrapper',
    'ShardedRunner',
]
