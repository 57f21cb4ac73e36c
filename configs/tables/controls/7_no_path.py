"""Controls: depth from the language model's states alone, as in the paper.

Ours: without the paths round the language model that the recipe has, patch
tokens and picture.

Command: python tools/run_table.py controls --rows 7_no_path
"""

_base_ = '../_base_/recipe.py'

model = dict(
    neck=dict(vision_channels=None),
    decode_head=dict(picture_channels=None),
)
