"""A model of llm_mde_three_splits.py tested on rendered rooms.

Rooms that are neither in `val` nor in `test`: recipes are chosen by them, so
that `test` need not be looked at.

Command: python tools/test.py configs/llm_mde_three_splits_rooms.py RUN
"""

_base_ = './llm_mde_three_splits.py'

test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='SyntheticRooms',
        num_rooms=40,
        seed=5,
        size=(240, 320),
        sensor_noise=False,
        test_mode=True,
        pipeline=[
            dict(type='ResizePicture', size={{_base_.input_size}}),
            dict(type='PackSegInputs'),
        ],
    ),
)
