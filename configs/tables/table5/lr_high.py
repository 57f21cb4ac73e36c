"""Table 5: learning rate 3e-3.

Paper: arXiv 2409.01133, Table 5, one of eight schemes. It sweeps the
learning rate. Values ours.

Command: python tools/run_table.py table5 --rows lr_high
"""

_base_ = '../_base_/recipe.py'

optim_wrapper = dict(optimizer=dict(lr=3e-3))
