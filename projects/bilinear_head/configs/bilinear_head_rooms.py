"""The quickstart with a third party's head.

Command: python tools/train.py \
    projects/bilinear_head/configs/bilinear_head_rooms.py
"""

_base_ = '../../../configs/quickstart/rooms.py'

custom_imports = dict(
    imports=['llm_mde_mm', 'projects.bilinear_head.bilinear_head'],
    allow_failed_imports=False,
)
model = dict(
    decode_head=dict(
        _delete_=True,
        type='BilinearHead',
        in_channels=96,
        loss_decode=[dict(type='ScaleInvariantLogLoss')],
    )
)
