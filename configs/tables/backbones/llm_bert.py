"""Backbones: BERT-base, 12 layers.

Ours. BERT_WEIGHTS takes a hub name, a local folder or random.

Command: python tools/run_table.py backbones --rows llm_bert
"""

_base_ = '../_base_/recipe.py'

llm_weights = '{{$BERT_WEIGHTS:google-bert/bert-base-uncased}}'

model = dict(
    backbone=dict(
        language=dict(
            weights=llm_weights,
            # Read where weights are 'random'.
            config=dict(_delete_=True, model_type='bert', vocab_size=30522),
        )
    )
)
