"""Controls: each picture is led by the prompt of another one, no path round.

Ours: 7_no_path, where all that is known of a picture goes through the
language model, by another picture's prompt.

Command: python tools/run_table.py controls --rows 14_no_path_other_prompt
"""

_base_ = './7_no_path.py'

model = dict(
    backbone=dict(prompt=dict(type='OtherPromptGenerator', mode='adaptive'))
)
