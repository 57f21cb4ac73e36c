"""Controls: one transformer block for the language model, no path round.

Ours, after arXiv 2406.16964: 7_no_path with a block that is trained whole, on
the pretrained word embeddings.

Command: python tools/run_table.py controls --rows 11_no_path_attention
"""

_base_ = './7_no_path.py'

model = dict(backbone=dict(language=dict(control='attention')))
