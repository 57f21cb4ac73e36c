"""A run that was cut ends as the uninterrupted one (RELIABILITY 1)."""

import os
import signal

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.optim import AmpOptimWrapper
from mmengine.registry import init_default_scope

from llm_mde_mm.utils.errors import ConfigError, TrainingInterrupted
from tests.engine.training import (
    DieHook,
    assert_equal,
    config,
    outcome,
    resumed,
    train,
)

# Of the checkpoint hook; one entry a content that a checkpoint can have.
CONTENTS = [dict(content='adapter'), dict(content='full')]
EVERY_3 = dict(interval=3, by_epoch=False)
# What the checkpoint hook is told, and where the run dies; None: a signal.
CUTS = dict(
    inside_the_first_epoch=(EVERY_3, DieHook('after_train_iter', 0, 2)),
    steps_after_the_save_in_the_second=(
        EVERY_3,
        DieHook('after_train_iter', 1, 2),
    ),
    # Step 10 is the last of the second epoch, whose end is still to come.
    at_the_last_batch=(
        dict(interval=5, by_epoch=False),
        DieHook('after_train_iter', 1, 4),
    ),
    before_the_validation=({}, DieHook('before_val_epoch', 2)),
    after_the_validation=({}, DieHook('after_val_epoch', 2)),
)


class SignalHook(Hook):
    """Send a signal to this process at (epoch, batch)."""

    def __init__(self, epoch, batch, number=signal.SIGTERM):
        self.place, self.number = (epoch, batch), number

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if (runner.epoch, batch_idx) == self.place:
            os.kill(os.getpid(), self.number)


@pytest.fixture(scope='module', autouse=True)
def _no_pretty_text():
    """Formatting the config at each save takes longer than training."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Config, 'pretty_text', '')
        yield


@pytest.fixture(scope='module')
def of(base):
    """Changes of a config to a content that its checkpoints can have.

    An adapter leaves out nothing of a model without pretrained weights.
    """
    init_default_scope('mmseg')
    folder = base()
    pretrained = {
        'model.backbone.vision.weights': str(folder / 'vit.safetensors'),
        'model.backbone.language': dict(
            _delete_=True,
            type='HFLanguageModel',
            weights=str(folder / 'bert'),
            lora=dict(rank=2, alpha=4),
        ),
    }

    def changes(content):
        return pretrained if content['content'] == 'adapter' else {}

    return changes


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    """Outcomes of uninterrupted runs, each trained once."""
    known = {}

    def run(**changes):
        key = repr(sorted(changes.items()))
        if key not in known:
            folder = tmp_path_factory.mktemp('whole')
            known[key] = outcome(train(config(folder, **changes)))
        return known[key]

    return run


def changes_of(checkpoint_hook):
    return {
        f'default_hooks.checkpoint.{k}': v for k, v in checkpoint_hook.items()
    }


@pytest.mark.parametrize('content', CONTENTS)
@pytest.mark.parametrize('workers', [0, 2])
@pytest.mark.parametrize('cut', CUTS)
def test_cut_by_a_death(cut, workers, content, of, whole, tmp_path):
    hook, death = CUTS[cut]
    changes = changes_of({**hook, **content}) | of(content)
    cfg = config(tmp_path, workers, **changes)
    assert train(cfg, death).died
    assert_equal(outcome(train(resumed(cfg))), whole(**changes))


@pytest.mark.parametrize('content', CONTENTS)
@pytest.mark.parametrize('place', [(0, 1), (1, 4)])
def test_cut_by_a_signal(place, content, of, whole, tmp_path):
    changes = changes_of(content) | of(content)
    cfg = config(tmp_path, 2, **changes)
    with pytest.raises(TrainingInterrupted, match='SIGTERM') as stop:
        train(cfg, SignalHook(*place))
    assert stop.value.checkpoint == str(tmp_path / 'interrupted.pth')
    assert (tmp_path / 'last_checkpoint').read_text() == 'interrupted.pth'
    steps = 5 * place[0] + place[1] + 1
    assert f'step {steps} of 15' in str(stop.value)
    saved = torch.load(tmp_path / 'interrupted.pth', weights_only=True)
    without_base = content['content'] == 'adapter'
    assert bool(saved.get('base')) == without_base
    assert_equal(outcome(train(resumed(cfg))), whole(**changes))
    assert not (tmp_path / 'interrupted.pth').exists()


def test_the_runs_are_random_where_they_can_be(whole):
    assert_equal(whole(workers=2), whole())
    other = whole(**{'randomness.seed': 6})
    assert whole()['/best_score'] != other['/best_score']


ACCUMULATE = {'optim_wrapper.accumulative_counts': 4}
EMA = {
    'custom_hooks': [
        dict(type='EMAHook', momentum=0.1),
        dict(type='ResumableEarlyStoppingHook', monitor='loss', rule='less'),
    ]
}


class ScaledOptimWrapper(AmpOptimWrapper):
    """Float16's loss scaler on a CPU, which MMEngine's own refuses."""

    def __init__(self, **kwargs):
        super(AmpOptimWrapper, self).__init__(**kwargs)
        # It grows at each fourth step: the count of steps matters too.
        self.loss_scaler = torch.amp.GradScaler(
            'cpu', init_scale=2.0**8, growth_interval=4
        )
        self._scale_update_param = None

    def optim_context(self, model):
        return super(AmpOptimWrapper, self).optim_context(model)


SCALED = {'optim_wrapper.type': ScaledOptimWrapper}


@pytest.mark.parametrize('changes', [ACCUMULATE, EMA, SCALED])
@pytest.mark.parametrize(
    'cut', ['steps_after_the_save_in_the_second', 'before_the_validation']
)
def test_accumulated_gradients_and_averages_go_on(
    cut, changes, whole, tmp_path
):
    hook, death = CUTS[cut]
    kind, changes = changes, {**changes, **changes_of(hook)}
    cfg = config(tmp_path, **changes)
    assert train(cfg, death).died
    ours = outcome(train(resumed(cfg)))
    assert_equal(ours, whole(**changes))
    if kind is SCALED:
        # Of 15 steps, every fourth doubles the scale.
        assert ours['/optimizer/loss_scaler/scale'] == 2.0**11
    if kind is EMA:
        assert any(key.startswith('/averages') for key in ours)


def test_a_signal_waits_for_the_accumulation(whole, tmp_path):
    cfg = config(tmp_path, **ACCUMULATE)
    with pytest.raises(TrainingInterrupted, match='step 8 of 15'):
        train(cfg, SignalHook(0, 4))
    assert_equal(outcome(train(resumed(cfg))), whole(**ACCUMULATE))


def test_early_stopping_ends_the_resumed_run_where_it_would_have(tmp_path):
    changes = {'custom_hooks.1.patience': 2}
    cfg = config(tmp_path / 'cut', **changes)
    assert train(cfg, DieHook('before_val_epoch', 2)).died
    expected = train(config(tmp_path / 'whole', **changes))
    # The first score is the best; the second and third are too little better.
    again = train(resumed(cfg))
    assert expected.train_loop.stop_training
    assert again.train_loop.stop_training
    assert_equal(outcome(again), outcome(expected))


def test_skipped_batches_are_not_loaded(tmp_path, monkeypatch):
    from llm_mde_mm.datasets import SyntheticRooms

    cfg = config(tmp_path, **changes_of(EVERY_3))
    assert train(cfg, DieHook('after_train_iter', 0, 2)).died
    loaded = []
    load = SyntheticRooms.get_data_info

    def count(self, idx):
        loaded.append(self.test_mode)
        return load(self, idx)

    monkeypatch.setattr(SyntheticRooms, 'get_data_info', count)
    cfg = resumed(cfg)
    cfg.train_cfg.max_epochs = 1
    train(cfg)
    # Of 5 batches of 2 pictures, 3 were done.
    assert loaded.count(False) == 4


def test_a_state_is_read_without_running_code(tmp_path):
    cfg = config(tmp_path, **changes_of(EVERY_3), **ACCUMULATE)
    train(cfg, DieHook('after_train_iter', 0, 2))
    checkpoint = torch.load(tmp_path / 'iter_3.pth', weights_only=False)
    state = checkpoint['resume_state']
    torch.save(state, tmp_path / 'state.pth')
    again = torch.load(tmp_path / 'state.pth', weights_only=True)
    assert (again['batch'], again['batches'], again['validated']) == (3, 5, 0)
    assert again['gradients'].keys() == state['gradients'].keys() != set()


@pytest.mark.parametrize(
    ('changes', 'says'),
    [
        (dict(batch_size=5), "'batch_size': 2.*'batch_size': 5"),
        # These are as many batches.
        (
            dict(dataset=dict(num_rooms=9)),
            "'batches': 5, 'pictures': 10.*'batches': 5, 'pictures': 9",
        ),
    ],
)
def test_other_batches_inside_an_epoch_are_refused(changes, says, tmp_path):
    cfg = config(tmp_path, **changes_of(EVERY_3))
    train(cfg, DieHook('after_train_iter', 0, 2))
    cfg = resumed(cfg)
    cfg.merge_from_dict({'train_dataloader': changes})
    with pytest.raises(ConfigError, match=says):
        train(cfg)


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGUSR1])
def test_handlers_come_back(number, tmp_path):
    before = signal.getsignal(number)
    with pytest.raises(TrainingInterrupted, match=number.name) as stop:
        train(config(tmp_path), SignalHook(0, 0, number))
    assert signal.getsignal(number) is before
    assert stop.value.exit_code == 75


class TwiceHook(SignalHook):
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        # Of two that another thread takes in, Python may see one.
        for _ in range(2):
            signal.raise_signal(self.number)
            # This looks for signals, whatever other threads do.
            signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_a_second_ctrl_c_stops_at_once(tmp_path):
    # A shell's job in the background starts with Ctrl-C ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt) as stop:
            train(config(tmp_path), TwiceHook(0, 0, signal.SIGINT))
    finally:
        signal.signal(signal.SIGINT, before)
    assert not isinstance(stop.value, TrainingInterrupted)
    assert not (tmp_path / 'interrupted.pth').exists()
