"""Controls: depth from the language model's states alone, as in the paper.

Ours: without the path round the language model that the recipe has.

Command: python tools/run_table.py controls --rows 7_no_path
"""

_base_ = '../_base_/recipe.py'

model = dict(neck=dict(vision_channels=None))
