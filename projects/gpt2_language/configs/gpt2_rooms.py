"""The quickstart with a GPT-2 of random weights.

Command: python tools/train.py projects/gpt2_language/configs/gpt2_rooms.py
"""

_base_ = '../../../configs/quickstart/rooms.py'

model = dict(
    backbone=dict(
        language=dict(
            _delete_=True,
            type='HFLanguageModel',
            config=dict(
                model_type='gpt2',
                n_embd=192,
                n_layer=2,
                n_head=6,
                n_positions=256,
            ),
            dropout=0.0,
            finetune='lora',
            lora=dict(rank=16, alpha=32),
        )
    )
)
