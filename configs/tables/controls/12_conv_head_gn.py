"""Controls: a ViT with LoRA and a convolutional head with group norm.

Ours: 8_conv_head, whose batch norm is the paper's, with a norm that depends on
no other picture.

Command: python tools/run_table.py controls --rows 12_conv_head_gn
"""

_base_ = './8_conv_head.py'

model = dict(
    decode_head=dict(norm_cfg=dict(_delete_=True, type='GN', num_groups=8))
)
