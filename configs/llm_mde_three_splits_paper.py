"""The paper's flow on any data in the NYU layout with three splits.

Depth from the language model's states alone; data as in
llm_mde_three_splits.py. For tables of it: tools/run_table.py --base.

Command: NYU_ROOT=FOLDER python tools/train.py \
    configs/llm_mde_three_splits_paper.py
"""

_base_ = './llm_mde_nyu_fewshot_paper.py'

train_dataloader = dict(
    dataset=dict(subset=dict(_delete_=True, evenly_spaced=28))
)
val_dataloader = dict(dataset=dict(split='val', subset=dict(_delete_=True)))
