"""Table 3: the prompt written for each picture (APG).

Paper: arXiv 2409.01133, Table 3. The lowest errors of the three.

Command: python tools/run_table.py table3 --rows 3_adaptive
"""

_base_ = '../_base_/recipe.py'

model = dict(backbone=dict(prompt=dict(mode='adaptive')))
