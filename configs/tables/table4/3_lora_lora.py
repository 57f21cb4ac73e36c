"""Table 4: LoRA on both.

Paper: arXiv 2409.01133, Table 4, scheme (3). Against (1): Abs Rel -40.0 %,
Sq Rel -61.0 %.

Command: python tools/run_table.py table4 --rows 3_lora_lora
"""

_base_ = '../_base_/recipe.py'

model = dict(
    backbone=dict(
        vision=dict(finetune='lora'),
        language=dict(finetune='lora'),
    )
)
