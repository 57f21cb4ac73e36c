"""Table 5: LoRA of rank 64, alpha 128, on the ViT.

Paper: arXiv 2409.01133, Table 5, one of eight schemes. A large rank and
alpha overfit and add noise. Values ours.

Command: python tools/run_table.py table5 --rows vit_lora_high
"""

_base_ = '../_base_/recipe.py'

model = dict(backbone=dict(vision=dict(lora=dict(rank=64, alpha=128))))
