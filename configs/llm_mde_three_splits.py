"""LLM-MDE on any data in the NYU layout with train, val and test splits.

Trains on 28 pictures spread evenly over `train`, chooses the checkpoint by
`val` and never reads `test` before the test.

Command: NYU_ROOT=FOLDER python tools/train.py configs/llm_mde_three_splits.py
"""

_base_ = './llm_mde_nyu_fewshot.py'

train_dataloader = dict(
    dataset=dict(subset=dict(_delete_=True, evenly_spaced=28))
)
val_dataloader = dict(dataset=dict(split='val', subset=dict(_delete_=True)))
