from .bf16_optim_wrapper import BF16OptimWrapper
from .depth_runner import DepthRunner
from .hooks import (
    ComparisonSheetHook,
    ParameterTableHook,
    ProgressBarHook,
    PromptLogHook,
    SafeCheckpointHook,
    SavePredictionsHook,
)
from .sharded_parts import ShardedDepthModel, ShardedOptimWrapper
from .sharded_runner import ShardedRunner

__all__ = [
    'BF16OptimWrapper',
    'ComparisonSheetHook',
    'DepthRunner',
    'ParameterTableHook',
    'ProgressBarHook',
    'PromptLogHook',
    'SafeCheckpointHook',
    'SavePredictionsHook',
    'ShardedDepthModel',
    'ShardedOptimWrapper',
    'ShardedRunner',
]
