"""A loss that is no number touches no weight."""

import copy
import math
from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.optim import AmpOptimWrapper
from torch import nn

from llm_mde_mm.engine import FiniteLossHook
from llm_mde_mm.utils.errors import ConfigError, NonFiniteError
from tests.engine.training import DieHook, assert_equal, config, resumed, train


class Poison(Hook):
    """Make the loss of some steps, or a gradient, no number."""

    def __init__(self, *steps, value=math.nan, gradient=False):
        self.steps, self.value, self.gradient = steps, value, gradient
        self.before = {}

    def before_train(self, runner):
        model = runner.model
        loss = model.loss

        def poisoned(inputs, data_samples):
            losses = loss(inputs, data_samples)
            if runner.iter in self.steps and not self.gradient:
                losses['loss_bad'] = sum(losses.values()) * self.value
            if runner.iter in self.steps and self.gradient:
                # 0 * inf: the slope of a root at 0.
                weight = model.decode_head.out.weight
                losses['loss_bad'] = ((weight - weight) ** 2).sum().sqrt()
            return losses

        model.loss = poisoned

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.names = [
            s.metainfo['img_path'] for s in data_batch['data_samples']
        ]
        if runner.iter in self.steps:
            self.before = copy.deepcopy(dict(runner.model.state_dict()))


def short(folder, **changes):
    return config(
        folder,
        **{
            'train_cfg.max_epochs': 1,
            'param_scheduler.1.T_max': 1,
            'param_scheduler.0.end': 2,
            'custom_hooks': [],
            **changes,
        },
    )


@pytest.mark.parametrize('wrapper', ['OptimWrapper', 'BF16OptimWrapper'])
@pytest.mark.parametrize('value', [math.nan, math.inf])
def test_it_ends_before_the_weights_are_touched(wrapper, value, tmp_path):
    cfg = short(tmp_path, **{'optim_wrapper.type': wrapper})
    poison = Poison(3, value=value)
    seen = {}

    class Keep(Hook):
        def before_run(self, runner):
            seen['runner'] = runner

    with pytest.raises(NonFiniteError, match='the loss of step 4') as error:
        train(cfg, FiniteLossHook(), poison, Keep())
    assert ', '.join(poison.names) in str(error.value)
    assert_equal(dict(seen['runner'].model.state_dict()), poison.before)


def test_a_gradient_counts_where_its_norm_is_known(tmp_path):
    with pytest.raises(NonFiniteError, match='the gradient of step 3'):
        train(short(tmp_path), FiniteLossHook(), Poison(2, gradient=True))


def test_skipped_steps_are_counted_and_leave_the_weights(tmp_path):
    poison = Poison(1, 3)
    hook = FiniteLossHook('skip', max_skips=2)
    runner = train(short(tmp_path), hook, poison)
    assert hook.skipped == 2
    assert runner.iter == 5
    # Three of five steps were made.
    steps = {
        int(state['step'])
        for state in runner.optim_wrapper.state_dict()['state'].values()
    }
    assert steps == {3}
    saved = torch.load(tmp_path / 'epoch_1.pth', weights_only=False)
    assert saved['resume_state']['skipped_steps'] == 2
    # It has stepped aside.
    assert 'partial' not in repr(runner.optim_wrapper.backward)


def test_a_skipped_step_leaves_the_statistics_of_batch_norm(tmp_path):
    norm = dict(_delete_=True, type='BN')
    cfg = short(tmp_path, **{'model.decode_head.norm_cfg': norm})
    poison = Poison(1)
    seen = []

    class Look(Hook):
        def after_train_iter(self, runner, batch_idx, **kwargs):
            seen.append(copy.deepcopy(dict(runner.model.state_dict())))

    train(cfg, FiniteLossHook('skip'), poison, Look())
    mean = 'decode_head.blocks.0.norm1.running_mean'
    assert not seen[2][mean].equal(seen[1][mean])
    assert_equal(seen[1], poison.before)


def test_the_cap(tmp_path):
    hook = FiniteLossHook('skip', max_skips=2)
    with pytest.raises(NonFiniteError, match='step 5 .*2 steps were skipped'):
        train(short(tmp_path), hook, Poison(1, 3, 4))


def test_the_count_goes_on_after_a_resume(tmp_path):
    cfg = short(tmp_path, **{'train_cfg.max_epochs': 2})
    hook = FiniteLossHook('skip', max_skips=2)
    assert train(cfg, hook, Poison(1, 3), DieHook('before_val_epoch', 1)).died
    # A second process has skipped none itself.
    match = 'step 7 .*2 steps were skipped'
    with pytest.raises(NonFiniteError, match=match):
        train(resumed(cfg), FiniteLossHook('skip', max_skips=2), Poison(6))


def test_a_skip_inside_an_accumulation_drops_what_came_before(tmp_path):
    cfg = short(tmp_path, **{'optim_wrapper.accumulative_counts': 3})
    seen = []

    class Look(Hook):
        def after_train_iter(self, runner, batch_idx, **kwargs):
            seen.append(
                any(p.grad is not None for p in runner.model.parameters())
            )

    train(cfg, FiniteLossHook('skip'), Poison(1), Look())
    # Step 2 clears step 1; step 3 updates; 4 and 5 end the training.
    assert seen == [True, False, False, True, False]


class Overflowing(AmpOptimWrapper):
    """Float16's loss scaler on a CPU, which MMEngine's own refuses."""

    def __init__(self, optimizer):
        super(AmpOptimWrapper, self).__init__(
            optimizer, clip_grad=dict(max_norm=1.0)
        )
        self.loss_scaler = torch.amp.GradScaler('cpu', init_scale=2.0**127)
        self._scale_update_param = None


def test_an_overflow_is_the_loss_scalers(tmp_path):
    model = nn.Linear(1, 1)
    wrapper = Overflowing(torch.optim.SGD(model.parameters(), lr=0.1))
    hook = FiniteLossHook()
    hook.before_train(SimpleNamespace(model=model, optim_wrapper=wrapper))
    before = copy.deepcopy(model.state_dict())
    # Gradients of 2 ** 129, beyond float32; the loss itself is 4.
    wrapper.update_params(
        model(torch.tensor([[4.0]])).sum() * 0
        + 4 * model(torch.tensor([[4.0]])).sum()
    )
    assert_equal(dict(model.state_dict()), dict(before))
    assert wrapper.loss_scaler.get_scale() == 2.0**126


def test_arguments_are_checked():
    with pytest.raises(ConfigError, match='action'):
        FiniteLossHook('ignore')
    with pytest.raises(ConfigError, match='max_skips'):
        FiniteLossHook('skip', max_skips=0)
