from .bf16_optim_wrapper import BF16OptimWrapper
from .depth_runner import DepthRunner
from .hooks import (
    ComparisonSheetHook,
    ParameterTableHook,
    ProgressBarHook,
    PromptLogHook,
    SavePredictionsHook,
)
from .sharded_runner import (
    ShardedDepthModel,
    ShardedOptimWrapper,
    ShardedRunner,
)

__all__ = [
    'BF16OptimWrapper',
    'ComparisonSheetHook',
    'DepthRunner',
    'ParameterTableHook',
    'ProgressBarHook',
    'PromptLogHook',
    'SavePredictionsHook',
    'ShardedDepthModel',
    'ShardedOptimWrapper',
    'ShardedRunner',
]
