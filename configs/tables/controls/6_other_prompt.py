"""Controls: each picture is led by the prompt of another one.

Ours: does what the prompt says of its picture matter, or that there is one?

Command: python tools/run_table.py controls --rows 6_other_prompt
"""

_base_ = '../_base_/recipe.py'

model = dict(
    backbone=dict(prompt=dict(type='OtherPromptGenerator', mode='adaptive'))
)
