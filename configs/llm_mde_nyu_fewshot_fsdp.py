"""The main job with the weights spread over the processes (FSDP).

For a language model that does not fit one card. As with DDP, each process
takes 7 pictures a step.

Command: LLM_WEIGHTS=NAME tools/dist_train.sh \
    configs/llm_mde_nyu_fewshot_fsdp.py 4
A checkpoint is one file; tools/test.py and tools/predict.py load it whole.
"""

_base_ = './llm_mde_nyu_fewshot.py'

runner_type = 'ShardedRunner'
# On CPUs too, where torch does not synchronise batch norms.
model = dict(
    decode_head=dict(norm_cfg=dict(_delete_=True, type='GN', num_groups=8))
)
optim_wrapper = dict(type='ShardedOptimWrapper')
default_hooks = dict(checkpoint=dict(content='full'))
# Those of the base that look into the model would find a share of it.
custom_hooks = [
    dict(type='RunRecordHook'),
    dict(type='FiniteLossHook'),
    dict(type='ProgressBarHook'),
]
