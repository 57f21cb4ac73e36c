"""A language model that tells no patches apart is seen in the log."""

from types import SimpleNamespace

import pytest
import torch
from mmseg.registry import HOOKS
from torch import nn

from llm_mde_mm.engine.hooks.patch_spread_hook import patch_rank, patch_spread
from llm_mde_mm.utils.errors import ConfigError
from tests.engine.training import config, train


def test_spread_of_known_states():
    """Two patches at (3, 4) + (+-1, 0), and two of the same state."""
    states = torch.tensor([[[4.0, 2.0], [4.0, 4.0]], [[1.0, 1.0], [0.0, 0.0]]])
    spread = patch_spread(states[:, :, None])
    torch.testing.assert_close(spread, torch.tensor([0.2, 0.0]))


def test_rank_of_known_tokens():
    """Four directions of equal weight, a line, and tokens that are alike."""
    apart = torch.cat([torch.eye(4), -torch.eye(4)])
    line = torch.arange(8.0)[:, None] * torch.ones(4)
    tokens = torch.stack([apart, line, torch.ones(8, 4)]) + 5
    ranks = patch_rank(tokens)
    torch.testing.assert_close(ranks, torch.tensor([4.0, 1.0, 1.0]))
    tokens[1, 0, 0] = torch.inf
    ranks = patch_rank(tokens).tolist()
    assert ranks == pytest.approx([4, torch.nan, 1], nan_ok=True)


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
        tokens = []
        handle = backbone.reprogramming.register_forward_hook(
            lambda *args: tokens.append(args[2])
        )
        expected = patch_spread(backbone.eval()(data['inputs']).patch_map)
        handle.remove()
    assert values[-1] == pytest.approx(float(expected.mean()), rel=1e-4)
    ranks = runner.message_hub.get_scalar('val/patch_rank')._log_history
    expected = patch_rank(tokens[0]).mean()
    assert len(ranks) == 3 and ranks[-1] == pytest.approx(float(expected))
    assert ranks[-1] > 1
    assert not backbone._forward_hooks
    assert not backbone.reprogramming._forward_hooks

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
