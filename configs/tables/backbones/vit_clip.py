"""Backbones: CLIP ViT-B/16.

Ours. CLIP_WEIGHTS takes a timm name, a local file or folder, or random.

Command: python tools/run_table.py backbones --rows vit_clip
"""

_base_ = '../_base_/recipe.py'

vit_name = 'vit_base_patch16_clip_quickgelu_224.openai'
vit_weights = '{{$CLIP_WEIGHTS:vit_base_patch16_clip_quickgelu_224.openai}}'

model = dict(
    data_preprocessor=dict(model_name=vit_name, weights=vit_weights),
    backbone=dict(vision=dict(model_name=vit_name, weights=vit_weights)),
)
