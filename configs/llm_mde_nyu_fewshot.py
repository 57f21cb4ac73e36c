"""LLM-MDE on NYU Depth v2, one picture of each scene type (27 pictures).

Paper: arXiv 2409.01133, Table 1, row Few-Shot.
Command: python tools/train.py configs/llm_mde_nyu_fewshot.py
"""

_base_ = [
    './_base_/models/llm_mde_vitb16_bertb.py',
    './_base_/datasets/nyu_fewshot.py',
    './_base_/evaluation.py',
    './_base_/schedules/adamw_cosine_60e.py',
    './_base_/default_runtime.py',
]
# Two paths round the language model: the neck also reads three blocks of the
# vision model, and the head the picture, for edges finer than patches. Without
# them: llm_mde_nyu_fewshot_paper.py.
model = dict(
    backbone=dict(vision=dict(blocks=[5, 8, 11])),
    neck=dict(vision_channels='all'),
    decode_head=dict(picture_channels=16),
)
# Gently: Adam turns a wide matrix towards one direction, and a language model
# tells patches apart that differ in many. docs/results.md, "The language model
# must live".
optim_wrapper = dict(
    paramwise_cfg=dict(
        custom_keys={
            'backbone.language': dict(lr_mult=0.1),
            'backbone.reprogramming': dict(lr_mult=0.01),
        }
    )
)
