"""Table 4: ViT and language model frozen.

Paper: arXiv 2409.01133, Table 4, scheme (1). The row that the
others are compared with.

Command: python tools/run_table.py table4 --rows 1_frozen_frozen
"""

_base_ = '../_base_/recipe.py'

model = dict(
    backbone=dict(
        vision=dict(finetune='frozen'),
        language=dict(finetune='frozen'),
    )
)
