"""Table 1: 2 pictures of each scene type.

Paper: arXiv 2409.01133, Table 1, 2-shot. On NYU Depth v2 these are 54 of
the 795 training pictures. Each seed draws its own.

Command: python tools/run_table.py table1 --rows shot_2
"""

_base_ = '../_base_/recipe.py'

train_dataloader = dict(dataset=dict(subset=dict(_delete_=True, shots=2)))
