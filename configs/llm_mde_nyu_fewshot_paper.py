"""The main job as in the paper: depth from the language model's states alone.

Paper: arXiv 2409.01133, Table 1, row Few-Shot. What else differs from it
stands in docs/deviations.md.
Command: python tools/train.py configs/llm_mde_nyu_fewshot_paper.py
"""

_base_ = './llm_mde_nyu_fewshot.py'

model = dict(
    neck=dict(vision_channels=None),
    decode_head=dict(picture_channels=None),
)
train_dataloader = dict(batch_size=16)
train_cfg = dict(max_epochs=50, val_interval=1)
# After 5 epochs without a lower validation loss. The recipe does not stop: the
# loss swings until the learning rate is low, and falls last then.
default_hooks = dict(
    early_stopping=dict(
        type='ResumableEarlyStoppingHook',
        monitor='loss',
        rule='less',
        min_delta=0.0,
        patience=5,
    )
)
