"""Table 3: no prompt.

Paper: arXiv 2409.01133, Table 3. The row that the others are compared with.

Command: python tools/run_table.py table3 --rows 1_none
"""

_base_ = '../_base_/recipe.py'

model = dict(backbone=dict(prompt=dict(mode='none')))
