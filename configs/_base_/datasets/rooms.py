# Rendered rooms: no download, no files. A picture is a function of its number
# alone, so the three ranges of numbers are three disjoint sets.
dataset_type = 'SyntheticRooms'
input_size = (96, 128)

train_pipeline = [
    dict(type='RandomHorizontalFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
test_pipeline = [dict(type='PackSegInputs')]
train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        num_rooms=1080,
        first_index=0,
        seed=0,
        size=input_size,
        cache=True,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        num_rooms=54,
        first_index=100_000,
        seed=0,
        size=input_size,
        cache=True,
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        num_rooms=108,
        first_index=200_000,
        seed=0,
        size=input_size,
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
