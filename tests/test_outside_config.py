"""A config outside the repository swaps parts by inheritance and trains."""

import re

from tests.tools.conftest import ROOT, run

CONFIG = f"""
_base_ = '{ROOT}/configs/quickstart/rooms.py'
custom_imports = dict(
    imports=['llm_mde_mm', 'projects.bilinear_head.bilinear_head'],
    allow_failed_imports=False)
model = dict(
    backbone=dict(language=dict(
        config=dict(_delete_=True, model_type='gpt2', n_embd=96, n_layer=1,
                    n_head=4, n_positions=128))),
    decode_head=dict(
        _delete_=True, type='BilinearHead', in_channels=96,
        loss_decode=[dict(type='ScaleInvariantLogLoss')]))
optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys={{'backbone.language': dict(lr_mult=0.1)}}))
train_cfg = dict(max_epochs=1)
train_dataloader = dict(
    batch_size=2, num_workers=0, persistent_workers=False,
    dataset=dict(num_rooms=2))
val_dataloader = dict(
    batch_size=2, num_workers=0, persistent_workers=False,
    dataset=dict(num_rooms=2))
"""


def test_head_and_language_model_are_swapped(tmp_path):
    config = tmp_path / 'outside.py'
    config.write_text(CONFIG)
    done = run('tools/train.py', config, '--work-dir', tmp_path / 'run')
    console = done.stdout + done.stderr
    assert done.returncode == 0, console[-3000:]
    assert 'decode_head.linear' in console
    # Each part's rate stands in one table, not in three lines a parameter.
    assert re.search(r'backbone\.language .* 2\.0e-04\n', console)
    assert 'paramwise_options' not in console
    assert (tmp_path / 'run' / 'epoch_1.pth').is_file()
