"""The main job with GPT-2 (124 M) as the language model.

Command: LLM_WEIGHTS=openai-community/gpt2 python tools/train.py \
    projects/gpt2_language/configs/gpt2_nyu_fewshot.py
"""

_base_ = '../../../configs/llm_mde_nyu_fewshot.py'

model = dict(
    backbone=dict(
        language=dict(
            weights='{{$LLM_WEIGHTS:openai-community/gpt2}}',
            # Read where weights are 'random'.
            config=dict(_delete_=True, model_type='gpt2'),
        )
    )
)
