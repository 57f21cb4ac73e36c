# AdamW with cosine annealing to nothing, as in the paper. Number of epochs and
# learning rate are ours.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=1e-4, fused=True),
    clip_grad=dict(max_norm=1.0),
)
param_scheduler = [
    # Adam's first steps have the full length whatever the gradient: without a
    # warm-up they throw the scale of depth about.
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=10),
    # To the end of training, whatever its length.
    dict(type='CosineAnnealingLR', by_epoch=True, convert_to_iter_based=True),
]
# An epoch of a few pictures is soon over, a validation is not.
train_cfg = dict(type='ResumableEpochLoop', max_epochs=60, val_interval=6)
val_cfg = dict()
test_cfg = dict()
