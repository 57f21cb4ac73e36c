from .early_stopping_hook import ResumableEarlyStoppingHook
from .finite_loss_hook import FiniteLossHook
from .parameter_table_hook import ParameterTableHook
from .patch_spread_hook import PatchSpreadHook
from .prediction_hooks import ComparisonSheetHook, SavePredictionsHook
from .progress_bar_hook import ProgressBarHook
from .prompt_log_hook import PromptLogHook
from .resume_state_hook import ResumeStateHook
from .run_record_hook import RunRecordHook
from .safe_checkpoint_hook import SafeCheckpointHook

__all__ = [
    'ComparisonSheetHook',
    'FiniteLossHook',
    'ParameterTableHook',
    'PatchSpreadHook',
    'ProgressBarHook',
    'PromptLogHook',
    'SafeCheckpointHook',
    'ResumableEarlyStoppingHook',
    'ResumeStateHook',
    'RunRecordHook',
    'SavePredictionsHook',
]
