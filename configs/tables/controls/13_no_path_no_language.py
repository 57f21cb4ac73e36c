"""Controls: the ViT's last patch tokens alone, no language, no other path.

Ours: 7_no_path without prompt, prototypes, reprogramming and language model.
The neck reads the patch tokens of the last block where it else reads the
language model's states.

Command: python tools/run_table.py controls --rows 13_no_path_no_language
"""

_base_ = './7_no_path.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='VisionDepthBackbone',
        vision={{_base_.model.backbone.vision}},
    )
)
