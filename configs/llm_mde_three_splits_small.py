"""The small pair on any data in the NYU layout: ViT-S/14 and a 6-layer BERT.

Command: NYU_ROOT=FOLDER python tools/train.py \
    configs/llm_mde_three_splits_small.py
"""

_base_ = './llm_mde_three_splits.py'

vit_name = 'vit_small_patch14_dinov2.lvd142m'
vit_weights = '{{$VIT_WEIGHTS:vit_small_patch14_dinov2.lvd142m}}'
llm_weights = '{{$LLM_WEIGHTS:sentence-transformers/all-MiniLM-L6-v2}}'

model = dict(
    data_preprocessor=dict(model_name=vit_name, weights=vit_weights),
    backbone=dict(
        vision=dict(model_name=vit_name, weights=vit_weights),
        language=dict(
            weights=llm_weights,
            config=dict(
                hidden_size=384,
                intermediate_size=1536,
                num_attention_heads=12,
                num_hidden_layers=6,
            ),
        ),
    ),
)
