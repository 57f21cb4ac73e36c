"""Controls: the same ViT, neck and head, no language at all.

Ours: no prompt, no prototypes, no reprogramming. The neck reads patch tokens
where it else reads the language model's states.

Command: python tools/run_table.py controls --rows 5_no_language
"""

_base_ = '../_base_/recipe.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='VisionDepthBackbone',
        vision={{_base_.model.backbone.vision}},
    )
)
