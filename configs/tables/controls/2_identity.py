"""Controls: nothing in the language model's place.

Ours, after arXiv 2406.16964: the reprogrammed patches and the prompt's
word embeddings go to the neck as they are.

Command: python tools/run_table.py controls --rows 2_identity
"""

_base_ = '../_base_/recipe.py'

model = dict(backbone=dict(language=dict(control='identity')))
