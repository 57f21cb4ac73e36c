"""Baseline: ridge regression of log depth on a frozen ViT's patch tokens.

Ours. No language model, nothing trained by gradients.

Command: NYU_ROOT=FOLDER python tools/fit_ridge_probe.py \
    configs/baselines/ridge_probe.py
"""

_base_ = '../llm_mde_three_splits.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='VisionDepthBackbone',
        vision=dict(
            type='TimmViT',
            model_name={{_base_.vit_name}},
            weights={{_base_.vit_weights}},
            img_size=(224, 224),
            blocks=[5, 8, 11],
            finetune='frozen',
        ),
    ),
    neck=None,
    decode_head=dict(_delete_=True, type='RidgeProbe', in_channels=3 * 768),
)
