"""Table 1: 1 picture of each scene type.

Paper: arXiv 2409.01133, Table 1, 1-shot. On NYU Depth v2 these are 27 of
the 795 training pictures. Each seed draws its own.

Command: python tools/run_table.py table1 --rows shot_1
"""

_base_ = '../_base_/recipe.py'

train_dataloader = dict(dataset=dict(subset=dict(_delete_=True, shots=1)))
