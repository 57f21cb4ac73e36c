"""Table 1: a curve over the number of pictures, 16 of each type.

Ours, for data with a single scene type, of which these are 16 pictures. Each
seed draws its own; more pictures of a seed contain its fewer.

Command: python tools/run_table.py table1 --rows pictures_16
"""

_base_ = '../_base_/recipe.py'

train_dataloader = dict(dataset=dict(subset=dict(_delete_=True, shots=16)))
