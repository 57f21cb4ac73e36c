"""Controls: nothing in the language model's place, no path round it.

Ours, after arXiv 2406.16964: 7_no_path without its language model. The
reprogrammed patches and the prompt's word embeddings go to the neck as they
are.

Command: python tools/run_table.py controls --rows 9_no_path_identity
"""

_base_ = './7_no_path.py'

model = dict(backbone=dict(language=dict(control='identity')))
