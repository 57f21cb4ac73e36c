"""Controls: random weights in the language model, no path round it.

Ours, after arXiv 2406.16964: 7_no_path with the same layers and LoRA, nothing
pretrained but the tokeniser.

Command: python tools/run_table.py controls --rows 10_no_path_random
"""

_base_ = './7_no_path.py'

model = dict(backbone=dict(language=dict(control='random')))
