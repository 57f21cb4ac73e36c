# How a run behaves: logging, checkpoints, hooks, processes.
custom_imports = dict(imports=['llm_mde_mm'], allow_failed_imports=False)
default_scope = 'mmseg'
runner_type = 'DepthRunner'
# Decides the few-shot draw, initial weights, order, augmentation and dropout.
randomness = dict(seed=0)
env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    # In seconds: a process that waits longer for another one gives up. Over
    # gloo, on CPUs, the backend is not read.
    dist_cfg=dict(backend='nccl', timeout=600),
)
log_processor = dict(by_epoch=True, window_size=10)
log_level = 'INFO'
load_from = None
resume = False

default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=10),
    param_scheduler=dict(type='ParamSchedulerHook'),
    # What was trained, beside digests of the frozen base; content='full' for
    # all of it. The older of the two kept outlives damage to the newer.
    checkpoint=dict(
        type='SafeCheckpointHook',
        content='adapter',
        interval=1,
        max_keep_ckpts=2,
        save_best='loss',
        rule='less',
    ),
    sampler_seed=dict(type='DistSamplerSeedHook'),
)
custom_hooks = [
    dict(type='RunRecordHook'),
    dict(type='FiniteLossHook'),
    dict(type='ParameterTableHook'),
    dict(type='PromptLogHook', interval=10),
    # Warns where the language model's states no longer tell patches apart.
    dict(type='PatchSpreadHook'),
    dict(type='ProgressBarHook'),
]
