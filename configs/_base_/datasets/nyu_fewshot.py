# NYU Depth v2, one picture of each scene type (the paper's Few-Shot).
#
# NYU_ROOT is the folder with images/{train,test} and annotations/{train,test}.
data_root = '{{$NYU_ROOT:data/nyu}}'
input_size = (224, 224)
# Drawn by randomness.seed; a seed in here would be the draw's own.
few_shot = dict(shots=1)

train_pipeline = [
    dict(type='LoadPicture'),
    dict(type='LoadDepth'),
    # As if the same camera had gone back, or come nearer: depth grows and
    # shrinks with the window, so that sizes and not places tell the scale.
    dict(type='RandomZoomOutPair', max_zoom=1.6, max_depth=10.0),
    dict(type='RandomCropPair', min_scale=0.85, rescale_depth=True),
    dict(type='ResizePair', size=input_size),
    dict(type='RandomHorizontalFlip', prob=0.5),
    dict(type='ColourJitter'),
    dict(type='PackSegInputs'),
]
# Depth keeps its size: predictions are scored at the picture's own.
test_pipeline = [
    dict(type='LoadPicture'),
    dict(type='LoadDepth'),
    dict(type='ResizePicture', size=input_size),
    dict(type='PackSegInputs'),
]
nyu = dict(type='NYUDepthDataset', data_root=data_root)
loader = dict(num_workers=2, persistent_workers=True)
train_dataloader = dict(
    **loader,
    batch_size=7,
    sampler=dict(type='SeededSampler', shuffle=True),
    # Each worker keeps some 30 pictures of 480 x 640, decoded.
    dataset=dict(
        **nyu,
        split='train',
        subset=few_shot,
        cache_mb=64,
        pipeline=train_pipeline,
    ),
)
# Validation never touches the test set: 100 of the pictures not trained on.
val_dataloader = dict(
    **loader,
    batch_size=8,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        **nyu,
        split='train',
        subset=dict(complement=True, then=dict(evenly_spaced=100), **few_shot),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = dict(
    **loader,
    batch_size=8,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(**nyu, split='test', test_mode=True, pipeline=test_pipeline),
)
