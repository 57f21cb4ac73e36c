"""Table 4: LoRA on the ViT, language model frozen.

Paper: arXiv 2409.01133, Table 4, scheme (2). Against (1): Abs Rel -30.0 %,
Sq Rel -47.0 %.

Command: python tools/run_table.py table4 --rows 2_lora_frozen
"""

_base_ = '../_base_/recipe.py'

model = dict(
    backbone=dict(
        vision=dict(finetune='lora'),
        language=dict(finetune='frozen'),
    )
)
