"""Trainings of seconds, in this process, on a handful of rendered rooms."""

import copy
import itertools

import torch
from mmengine.config import Config
from mmengine.hooks import EMAHook, Hook

from llm_mde_mm.apis.launch import build_runner
from tests.conftest import TINY_MODEL

ROOMS = dict(type='SyntheticRooms', seed=0, size=(32, 48), cache=True)
_names = itertools.count()


class Death(Exception):
    """Stands for a kill: nothing after it runs."""


class DieHook(Hook):
    """Die at a hook point, once (epoch, batch) is reached."""

    priority = 'LOWEST'

    def __init__(self, point, epoch, batch=None):
        self.epoch, self.batch = epoch, batch
        setattr(self, point, self._die)

    def _die(self, runner, batch_idx=None, **kwargs):
        if (runner.epoch, batch_idx) == (self.epoch, self.batch):
            raise Death


def model_cfg(dropout=0.2):
    cfg = copy.deepcopy(TINY_MODEL)
    cfg['backbone']['reprogramming']['dropout'] = dropout
    cfg['backbone']['vision']['lora']['dropout'] = dropout
    return cfg


def loader(count, workers, batch_size=2, **dataset):
    return dict(
        batch_size=batch_size,
        num_workers=workers,
        persistent_workers=workers > 0,
        dataset=dict(
            **ROOMS, num_rooms=count, serialize_data=False, **dataset
        ),
    )


def config(folder, workers=0, dropout=0.2, **changes):
    """Five batches an epoch, three epochs, validated by two pictures."""
    cfg = dict(
        default_scope='mmseg',
        runner_type='DepthRunner',
        experiment_name=f'run{next(_names)}',
        randomness=dict(seed=5),
        work_dir=str(folder),
        log_level='ERROR',
        model=model_cfg(dropout),
        train_dataloader=dict(
            **loader(
                10,
                workers,
                pipeline=[
                    dict(type='RandomHorizontalFlip', prob=0.5),
                    dict(type='ColourJitter'),
                    dict(type='PackSegInputs'),
                ],
            ),
            sampler=dict(type='SeededSampler', shuffle=True),
        ),
        val_dataloader=dict(
            **loader(
                2,
                0,
                first_index=100,
                test_mode=True,
                pipeline=[dict(type='PackSegInputs')],
            ),
            sampler=dict(type='DefaultSampler', shuffle=False),
        ),
        val_evaluator=dict(type='ValidationLoss'),
        train_cfg=dict(type='ResumableEpochLoop', max_epochs=3),
        val_cfg=dict(),
        optim_wrapper=dict(
            type='OptimWrapper',
            optimizer=dict(type='AdamW', lr=3e-3),
            clip_grad=dict(max_norm=1.0),
        ),
        param_scheduler=[
            dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=7),
            dict(
                type='CosineAnnealingLR',
                T_max=3,
                by_epoch=True,
                convert_to_iter_based=True,
            ),
            dict(type='ExponentialLR', gamma=0.9, by_epoch=True),
        ],
        default_hooks=dict(
            checkpoint=dict(
                type='SafeCheckpointHook',
                interval=1,
                save_best='loss',
                rule='less',
                max_keep_ckpts=2,
            ),
            sampler_seed=dict(type='DistSamplerSeedHook'),
        ),
        custom_hooks=[
            dict(type='FiniteLossHook'),
            # Never reached, but counted.
            dict(
                type='ResumableEarlyStoppingHook',
                monitor='loss',
                rule='less',
                min_delta=10.0,
                patience=9,
            ),
        ],
    )
    cfg = Config(cfg)
    cfg.merge_from_dict(changes)
    return cfg


def train(cfg, *hooks):
    """Train; the runner is returned whether or not it died."""
    runner = build_runner(cfg)
    for hook in hooks:
        runner.register_hook(hook)
    try:
        runner.train()
    except Death:
        runner.died = True
    finally:
        # Left to the garbage collector, each worker takes five seconds.
        iterator = runner.train_dataloader._iterator
        if iterator is not None:
            iterator._shutdown_workers()
    return runner


def resumed(cfg):
    """The same run, by a process that goes on."""
    cfg = copy.deepcopy(cfg)
    cfg.resume = True
    cfg.experiment_name = f'run{next(_names)}'
    return cfg


def flat(value, path=''):
    """Leaves of nested dicts and lists by path, numbers as tensors."""
    if isinstance(value, dict):
        value = {str(key): item for key, item in value.items()}
    elif isinstance(value, list | tuple):
        value = {str(i): item for i, item in enumerate(value)}
    else:
        return {path: value}
    leaves = {}
    for key, item in value.items():
        leaves.update(flat(item, f'{path}/{key}'))
    return leaves


def outcome(runner):
    """All that two runs must share."""
    stop = [h for h in runner.hooks if hasattr(h, 'wait_count')][0]
    averages = [h for h in runner.hooks if isinstance(h, EMAHook)]
    hub = runner.message_hub
    history = {
        key: torch.tensor(scalar.data[0].tolist(), dtype=torch.float64)
        for key, scalar in hub.log_scalars.items()
        if key.startswith(('train/loss', 'train/lr', 'val/loss'))
    }
    return flat(
        dict(
            weights=dict(runner.model.state_dict()),
            averages=[h.ema_model.state_dict() for h in averages],
            optimizer=runner.optim_wrapper.state_dict(),
            schedulers=[s.state_dict() for s in runner.param_schedulers],
            count=stop.wait_count,
            best=stop.best_score,
            best_score=hub.get_info('best_score'),
            best_ckpt=hub.get_info('best_ckpt').rsplit('/')[-1],
            place=(runner.epoch, runner.iter),
            history=history,
        )
    )


def assert_equal(ours, theirs):
    """Bit for bit."""
    assert ours.keys() == theirs.keys()
    different = [
        key
        for key, value in ours.items()
        if not (
            torch.equal(value, theirs[key])
            if isinstance(value, torch.Tensor)
            else value == theirs[key]
        )
    ]
    assert not different
