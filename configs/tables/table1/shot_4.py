"""Table 1: 4 pictures of each scene type.

Paper: arXiv 2409.01133, Table 1, 4-shot. On NYU Depth v2 these are 100 of
the 795 training pictures, as some scene types have fewer. Each seed draws its
own.

Command: python tools/run_table.py table1 --rows shot_4
"""

_base_ = '../_base_/recipe.py'

train_dataloader = dict(dataset=dict(subset=dict(_delete_=True, shots=4)))
