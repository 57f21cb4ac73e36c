"""Which settings a table's scores depend on, as one short name."""

import hashlib
import json
from collections.abc import Mapping

from llm_mde_mm.utils.settings import stripped

# What a score may depend on, and keys below it that it does not.
_PARTS = (
    'model',
    'model_dtype',
    'train_dataloader',
    'val_dataloader',
    'test_dataloader',
    'val_evaluator',
    'test_evaluator',
    'optim_wrapper',
    'param_scheduler',
    'train_cfg',
    'val_cfg',
    'test_cfg',
    'load_from',
    'randomness',
    'test_scenes',
)
_PLACES = (
    'data_root',
    'num_workers',
    'persistent_workers',
    'cache_mb',
    'with_cp',
    'attn_implementation',
)
_NAMES = ('weights', 'tokenizer', 'load_from')
# Of default_hooks; all but the checkpoint's settings leave scores alone.
_STANDARD = {
    'runtime_info',
    'timer',
    'sampler_seed',
    'logger',
    'param_scheduler',
    'checkpoint',
}
# Hooks that look on.
_ONLOOKERS = {
    'ParameterTableHook',
    'PatchSpreadHook',
    'PromptLogHook',
    'ProgressBarHook',
    'RunRecordHook',
}


def config_digest(cfg: Mapping, amp: bool = False) -> str:
    """Name all that a run's scores depend on by 12 hex digits.

    Where data and weights lie does not count, nor how many processes load
    the data, what is computed twice to save memory, by which routine attention
    is computed or what is logged; of weights the last part of their name
    counts.

    Args:
        cfg (Mapping): The whole config.
        amp (bool): Whether training is in mixed precision.
    """
    parts = {key: cfg[key] for key in _PARTS if key in cfg}
    named = cfg.get('default_hooks', {})
    more = [hook for name, hook in named.items() if name not in _STANDARD]
    hooks = [
        hook
        for hook in (*cfg.get('custom_hooks', ()), *more)
        if hook.get('type') not in _ONLOOKERS
    ]
    saving = named.get('checkpoint', {})
    best = [saving.get(key) for key in ('interval', 'save_best', 'rule')]
    kept, hooks = stripped([parts, hooks], _PLACES, _NAMES)
    text = json.dumps([kept, hooks, best, amp], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
