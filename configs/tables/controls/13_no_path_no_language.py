"""Controls: the ViT's last patch tokens alone, no language, no other path.

Ours: 5_no_language without the paths that 7_no_path leaves out, which is the
paper's architecture without prompt, prototypes, reprogramming and language
model.

Command: python tools/run_table.py controls --rows 13_no_path_no_language
"""

_base_ = './5_no_language.py'

model = dict(
    neck=dict(vision_channels=None),
    decode_head=dict(picture_channels=None),
)
