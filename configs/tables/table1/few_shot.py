"""Table 1: Few-Shot, one random picture of each scene type.

Paper: arXiv 2409.01133, Table 1, row Few-Shot, of 28 pictures. The official
training pictures of NYU Depth v2 have 27 scene types, so that it is the same
set as shot_1. Each seed draws its own.

Command: python tools/run_table.py table1 --rows few_shot
"""

_base_ = '../_base_/recipe.py'

train_dataloader = dict(dataset=dict(subset=dict(_delete_=True, shots=1)))
