"""Controls: the recipe as it is, with its language model.

The row that the others are compared with.

Command: python tools/run_table.py controls --rows 1_language
"""

_base_ = '../_base_/recipe.py'
