"""Table 5: LoRA of rank 2, alpha 4, on the ViT.

Paper: arXiv 2409.01133, Table 5, one of eight schemes. A small rank and
alpha underfit. Values ours.

Command: python tools/run_table.py table5 --rows vit_lora_low
"""

_base_ = '../_base_/recipe.py'

model = dict(backbone=dict(vision=dict(lora=dict(rank=2, alpha=4))))
