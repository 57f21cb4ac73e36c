"""Table 3: a fixed prompt, what the data are and what is asked.

Paper: arXiv 2409.01133, Table 3. Against no prompt: RMSE -31.4 %,
Abs Rel -43.4 %.

Command: python tools/run_table.py table3 --rows 2_fixed
"""

_base_ = '../_base_/recipe.py'

model = dict(backbone=dict(prompt=dict(mode='fixed')))
