"""Quickstart: a tiny LLM-MDE learns the depth of rendered rooms on a CPU.

Command: make quickstart
"""

_base_ = [
    '../_base_/models/llm_mde_tiny.py',
    '../_base_/datasets/rooms.py',
    '../_base_/evaluation.py',
    '../_base_/schedules/adamw_cosine_60e.py',
    '../_base_/default_runtime.py',
]
# With Adam's usual eps of 1e-8 the last digit of a sum decides the scores'
# second one; the reference code's 1e-3 keeps a training to its course.
optim_wrapper = dict(optimizer=dict(lr=2e-3, eps=1e-3, weight_decay=1e-2))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, end=50),
    dict(
        type='CosineAnnealingLR',
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
train_cfg = dict(max_epochs=10, val_interval=1)
default_hooks = dict(logger=dict(interval=50))
