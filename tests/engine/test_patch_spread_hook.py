"""A language model that tells no patches apart is seen in the log."""

from types import SimpleNamespace

import pytest
import torch
from mmseg.registry import HOOKS
from torch import nn

from llm_mde_mm.engine.hooks.patch_spread_hook import patch_spread
from llm_mde_mm.utils.errors import ConfigError
from tests.engine.training import config, train


def test_spread_of_known_states():
    """Two patches at (3, 4) + (+-1, 0), and two of the same state."""
    states = torch.tensor([[[4.0, 2.0], [4.0, 4.0]], [[1.0, 1.0], [0.0, 0.0]]])
    spread = patch_spread(states[:, :, None])
    torch.testing.assert_close(spread, torch.tensor([0.2, 0.0]))


def test_each_validation_logs_it_and_a_dead_one_warns(tmp_path, monkeypatch):
    hook = HOOKS.build(dict(type='PatchSpreadHook'))
    runner = train(config(tmp_path), hook)
    logged = runner.message_hub.get_scalar('val/patch_spread')
    values = logged._log_history
    assert len(values) == 3 and min(values) > 1e-3

    backbone = runner.model.backbone
    with torch.no_grad():
        batch = next(iter(runner.val_dataloader))
        data = runner.model.data_preprocessor(batch, False)
        expected = patch_spread(backbone.eval()(data['inputs']).patch_map)
    assert values[-1] == pytest.approx(float(expected.mean()), rel=1e-4)
    assert not backbone._forward_hooks

    warnings = []
    monkeypatch.setattr(runner.logger, 'warning', warnings.append)
    runner.val_loop.run()
    assert not warnings
    nn.init.zeros_(backbone.reprogramming.norm.weight)
    positions = backbone.language.model.embeddings.position_embeddings
    nn.init.zeros_(positions.weight)
    runner.val_loop.run()
    (message,) = warnings
    assert 'custom_keys' in message


def test_models_without_a_language_model_are_left_alone():
    hook = HOOKS.build(dict(type='PatchSpreadHook'))
    runner = SimpleNamespace(model=nn.Linear(2, 2))
    hook.before_val_epoch(runner)
    hook.after_val_epoch(runner)


def test_malformed_bound():
    with pytest.raises(ConfigError, match='PatchSpreadHook.least is -1'):
        HOOKS.build(dict(type='PatchSpreadHook', least=-1))
