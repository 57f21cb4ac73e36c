"""Backbones: MiniLM, 6 layers of width 384.

Ours. MINILM_WEIGHTS takes a hub name, a local folder or random.

Command: python tools/run_table.py backbones --rows llm_minilm
"""

_base_ = '../_base_/recipe.py'

llm_weights = '{{$MINILM_WEIGHTS:sentence-transformers/all-MiniLM-L6-v2}}'

model = dict(
    backbone=dict(
        language=dict(
            weights=llm_weights,
            # Read where weights are 'random'.
            config=dict(
                _delete_=True,
                model_type='bert',
                vocab_size=30522,
                hidden_size=384,
                intermediate_size=1536,
                num_attention_heads=12,
                num_hidden_layers=6,
            ),
        )
    )
)
