# NYU Depth v2, one picture of each scene type (the paper's Few-Shot).
#
# NYU_ROOT is the folder with images/{train,test} and annotations/{train,test}.
dataset_type = 'NYUDepthDataset'
data_root = '{{$NYU_ROOT:data/nyu}}'
input_size = (224, 224)
few_shot = dict(shots=1, seed=0)

train_pipeline = [
    dict(type='LoadPicture'),
    dict(type='LoadDepth'),
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
train_dataloader = dict(
    batch_size=16,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split='train',
        subset=few_shot,
        pipeline=train_pipeline,
    ),
)
# Validation never touches the test set: 100 of the pictures not trained on.
val_dataloader = dict(
    batch_size=8,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split='train',
        subset=dict(complement=True, then=dict(evenly_spaced=100), **few_shot),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = dict(
    batch_size=8,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split='test',
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
val_evaluator = [
    dict(type='MonocularDepthMetric', crop='nyu_eigen'),
    dict(type='ValidationLoss'),
]
test_evaluator = [
    dict(
        type='MonocularDepthMetric',
        crop='nyu_eigen',
        alignment=('none', 'median', 'affine'),
        constant_baseline=True,
    ),
]
