"""Backbones: DINOv2 ViT-B/14, of 256 patches at 224.

Ours. DINOV2_WEIGHTS takes a timm name, a local file or folder, or random.

Command: python tools/run_table.py backbones --rows vit_dinov2
"""

_base_ = '../_base_/recipe.py'

vit_name = 'vit_base_patch14_dinov2.lvd142m'
vit_weights = '{{$DINOV2_WEIGHTS:vit_base_patch14_dinov2.lvd142m}}'

model = dict(
    data_preprocessor=dict(model_name=vit_name, weights=vit_weights),
    backbone=dict(vision=dict(model_name=vit_name, weights=vit_weights)),
)
