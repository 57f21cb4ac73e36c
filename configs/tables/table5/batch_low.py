"""Table 5: batches of 4 pictures.

Paper: arXiv 2409.01133, Table 5, one of eight schemes. Small batches are
unstable. Values ours.

Command: python tools/run_table.py table5 --rows batch_low
"""

_base_ = '../_base_/recipe.py'

train_dataloader = dict(batch_size=4)
