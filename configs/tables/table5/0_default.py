"""Table 5: the recipe as it is, beside the eight schemes.

What the other rows change one factor of.

Command: python tools/run_table.py table5 --rows 0_default
"""

_base_ = '../_base_/recipe.py'
