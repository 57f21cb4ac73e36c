"""Controls: the language model's architecture, random weights.

Ours, after arXiv 2406.16964: the same layers and LoRA, nothing
pretrained but the tokeniser.

Command: python tools/run_table.py controls --rows 3_random
"""

_base_ = '../_base_/recipe.py'

model = dict(backbone=dict(language=dict(control='random')))
