"""Controls: one transformer block in the language model's place.

Ours, after arXiv 2406.16964: trained whole, on the pretrained word
embeddings.

Command: python tools/run_table.py controls --rows 4_attention
"""

_base_ = '../_base_/recipe.py'

model = dict(backbone=dict(language=dict(control='attention')))
