"""The main job as in the paper: depth from the language model's states alone.

Paper: arXiv 2409.01133, Table 1, row Few-Shot. What else differs from it
stands in docs/deviations.md.
Command: python tools/train.py configs/llm_mde_nyu_fewshot_paper.py
"""

_base_ = './llm_mde_nyu_fewshot.py'

model = dict(neck=dict(vision_channels=None))
