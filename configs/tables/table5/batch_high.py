"""Table 5: batches of 28 pictures.

Paper: arXiv 2409.01133, Table 5, one of eight schemes. Too large a batch
hurts on small data. Values ours.

Command: python tools/run_table.py table5 --rows batch_high
"""

_base_ = '../_base_/recipe.py'

train_dataloader = dict(batch_size=28)
