"""Controls: no language at all, as many trained parameters as the recipe.

Ours: 5_no_language with LoRA on all linear layers of the ViT, of the rank that
brings a base ViT's 2.8 million to the 36.2 that the recipe trains.

Command: python tools/run_table.py controls --rows 15_no_language_lora
"""

_base_ = './5_no_language.py'

model = dict(
    backbone=dict(
        vision=dict(
            lora=dict(rank=230, targets=r'blocks\.\d+\.(attn|mlp)\..*')
        )
    )
)
