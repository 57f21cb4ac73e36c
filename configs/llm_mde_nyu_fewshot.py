"""LLM-MDE on NYU Depth v2, one picture of each scene type (27 pictures).

Paper: arXiv 2409.01133, Table 1, row Few-Shot.
Command: python tools/train.py configs/llm_mde_nyu_fewshot.py
"""

_base_ = [
    './_base_/models/llm_mde_vitb16_bertb.py',
    './_base_/datasets/nyu_fewshot.py',
    './_base_/evaluation.py',
    './_base_/schedules/adamw_cosine_50e.py',
    './_base_/default_runtime.py',
]
# A path round the language model: neck and head also read three blocks of the
# vision model. Without it: llm_mde_nyu_fewshot_paper.py.
model = dict(
    backbone=dict(vision=dict(blocks=[5, 8, 11])),
    neck=dict(vision_channels='all'),
)
