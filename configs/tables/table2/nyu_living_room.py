"""Table 2: trained on one scene type, living_room, tested on unseen ones.

Paper: arXiv 2409.01133, Table 2, which tests on four unseen types, living
room and bathroom among them. The types are ours, of NYU Depth v2.
`val` keeps the trained type, so that no unseen one chooses the checkpoint.

Command: python tools/run_table.py table2 --rows nyu_living_room
"""

_base_ = '../_base_/recipe.py'

train_scene = 'living_room'
# Scored one by one, and together as 'test'.
test_scenes = [
    'bathroom',
    'bedroom',
    'kitchen',
    'office',
]
train_dataloader = dict(
    dataset=dict(subset=dict(_delete_=True, scenes=train_scene))
)
val_dataloader = dict(
    dataset=dict(subset=dict(_delete_=True, scenes=train_scene))
)
test_dataloader = dict(dataset=dict(subset=dict(scenes=test_scenes)))
