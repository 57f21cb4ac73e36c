"""Backbones: GPT-2, 12 layers, a decoder.

Ours. GPT2_WEIGHTS takes a hub name, a local folder or random.

Command: python tools/run_table.py backbones --rows llm_gpt2
"""

_base_ = '../_base_/recipe.py'

llm_weights = '{{$GPT2_WEIGHTS:openai-community/gpt2}}'

model = dict(
    backbone=dict(
        language=dict(
            weights=llm_weights,
            # Read where weights are 'random'.
            config=dict(_delete_=True, model_type='gpt2'),
        )
    )
)
