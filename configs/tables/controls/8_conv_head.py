"""Controls: a ViT with LoRA and a convolutional head, the plain recipe.

Ours: what the field would take without a language model. Flip and colour
alone change the pictures, SILog with its gradient term trains, 40 epochs.

Command: python tools/run_table.py controls --rows 8_conv_head
"""

_base_ = '../_base_/recipe.py'

train_pipeline = [
    dict(type='LoadPicture'),
    dict(type='LoadDepth'),
    dict(type='ResizePair', size={{_base_.input_size}}),
    dict(type='RandomHorizontalFlip', prob=0.5),
    dict(type='ColourJitter'),
    dict(type='PackSegInputs'),
]
model = dict(
    backbone=dict(
        _delete_=True,
        type='VisionDepthBackbone',
        vision={{_base_.model.backbone.vision}},
    ),
    decode_head=dict(
        picture_channels=None,
        loss_decode=[dict(type='ScaleInvariantLogLoss', gradient_weight=0.5)],
    ),
)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
train_cfg = dict(max_epochs=40, val_interval=4)
