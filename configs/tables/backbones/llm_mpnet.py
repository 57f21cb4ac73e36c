"""Backbones: MPNet, 12 layers, trained on sentences.

Ours. MPNET_WEIGHTS takes a hub name, a local folder or random.

Command: python tools/run_table.py backbones --rows llm_mpnet
"""

_base_ = '../_base_/recipe.py'

llm_weights = '{{$MPNET_WEIGHTS:sentence-transformers/all-mpnet-base-v2}}'

model = dict(
    backbone=dict(
        language=dict(
            weights=llm_weights,
            # Read where weights are 'random'.
            config=dict(_delete_=True, model_type='mpnet', vocab_size=30527),
        )
    )
)
