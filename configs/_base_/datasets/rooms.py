# Rendered rooms: no download, no files. A picture is a function of its number
# alone, so the three ranges of numbers are three disjoint sets.
input_size = (96, 128)

train_pipeline = [
    dict(type='RandomHorizontalFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
test_pipeline = [dict(type='PackSegInputs')]
rooms = dict(type='SyntheticRooms', seed=0, size=input_size, cache=True)
loader = dict(batch_size=8, num_workers=1, persistent_workers=True)
train_dataloader = dict(
    **loader,
    sampler=dict(type='SeededSampler', shuffle=True),
    dataset=dict(
        **rooms, num_rooms=1080, first_index=0, pipeline=train_pipeline
    ),
)
val_dataloader = dict(
    **loader,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        **rooms,
        num_rooms=54,
        first_index=100_000,
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = dict(
    **loader,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        **rooms,
        num_rooms=108,
        first_index=200_000,
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
