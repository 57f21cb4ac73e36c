"""The main job without a language model: the same ViT, neck and head.

As accurate on the data of docs/results.md (row 5 of its first table), with
2.8 of 36.2 million trained parameters and in 0.44 of the time.

Command: python tools/train.py configs/baselines/no_language.py
"""

_base_ = '../llm_mde_nyu_fewshot.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='VisionDepthBackbone',
        vision={{_base_.model.backbone.vision}},
    )
)
