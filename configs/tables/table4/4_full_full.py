"""Table 4, beside the paper: ViT and language model trained whole.

Ours: what LoRA is compared with where memory allows. Word embeddings stay
frozen.

Command: python tools/run_table.py table4 --rows 4_full_full
"""

_base_ = '../_base_/recipe.py'

model = dict(
    backbone=dict(
        vision=dict(finetune='full'),
        language=dict(finetune='full'),
    )
)
