"""Table 2: trained on one scene type, kitchen, tested on unseen ones.

Paper: arXiv 2409.01133, Table 2, which tests on four unseen types, living
room and bathroom among them. These are the test scenes of the public sets.
`val` keeps the trained type, so that no unseen one chooses the checkpoint.

Command: python tools/run_table.py table2 --rows kitchen
"""

_base_ = '../_base_/recipe.py'

train_scene = 'kitchen'
# Scored one by one, and together as 'test'.
test_scenes = [
    'living_room',
    'basement',
    'dining_room',
]
train_dataloader = dict(
    dataset=dict(subset=dict(_delete_=True, scenes=train_scene))
)
val_dataloader = dict(
    dataset=dict(subset=dict(_delete_=True, scenes=train_scene))
)
test_dataloader = dict(dataset=dict(subset=dict(scenes=test_scenes)))
