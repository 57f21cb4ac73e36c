"""What MMEngine's checkpoints lack to go on exactly."""

import logging
from typing import Any

from mmengine.dist import get_world_size
from mmengine.hooks import CheckpointHook, Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from llm_mde_mm.utils.errors import ConfigError

from ..gradients import (
    average_gradients,
    bare_model,
    get_gradients,
    is_accumulating,
    set_gradients,
)

KEY = 'resume_state'


@HOOKS.register_module()
class ResumeStateHook(Hook):
    """Keep :class:`ResumableEpochLoop`'s place in the checkpoints.

    ``checkpoint['resume_state']`` gets ``batch`` (batches of the epoch that
    are done), what a batch's place in an epoch hangs on (``batches`` of an
    epoch, ``pictures``, ``batch_size``, ``processes``), ``validated`` (epochs
    done at the last validation), ``stop`` (whether training is to end),
    ``sampler_seed`` and, inside an accumulation, ``gradients`` by parameter.
    """

    # Before the hook that saves.
    priority = 'LOW'

    def __init__(self) -> None:
        self._gradients: dict = {}

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict | None = None,
    ) -> None:
        """Before a save, share gradients that are not applied yet."""
        if is_accumulating(runner.optim_wrapper) and any(
            isinstance(hook, CheckpointHook)
            and not hook.by_epoch
            and hook.every_n_train_iters(
                runner, hook.interval, hook.save_begin
            )
            for hook in runner.hooks
        ):
            average_gradients(bare_model(runner))

    def after_train_epoch(self, runner: Runner) -> None:
        """Before a save, share gradients that are not applied yet."""
        if is_accumulating(runner.optim_wrapper):
            average_gradients(bare_model(runner))

    def after_val_epoch(
        self, runner: Runner, metrics: dict | None = None
    ) -> None:
        """Note the validation."""
        runner.train_loop.validated = runner.epoch

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Write the state."""
        loop = runner.train_loop
        state = checkpoint.setdefault(KEY, {})
        state.update(
            batch=loop.batch,
            **_epoch_of(loop.dataloader),
            validated=loop.validated,
            stop=loop.stop_training,
            sampler_seed=getattr(loop.dataloader.sampler, 'seed', None),
        )
        if is_accumulating(runner.optim_wrapper):
            state['gradients'] = get_gradients(bare_model(runner))

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Read the state of a run that goes on.

        Raises:
            ConfigError: If the batches of the epoch that was cut are not
                those of this config.
        """
        if not runner._resume:
            return
        loop = runner.train_loop
        state = checkpoint.get(KEY)
        if state is None or 'batch' not in state:
            print_log(
                'the checkpoint does not say where in an epoch it was saved: '
                'training goes on at the start of its epoch',
                logger='current',
                level=logging.WARNING,
            )
            loop.validated = checkpoint['meta']['epoch']
            return
        here = _epoch_of(loop.dataloader)
        # Older files lack two of these.
        there = {key: state[key] for key in here if key in state}
        if state['batch'] and there.items() - here.items():
            raise ConfigError(
                f'the checkpoint is from inside an epoch of {there}, and this '
                f'run has {here}: go on with the same data, batch size and '
                'number of processes, or from the end of an epoch'
            )
        loop.batch = state['batch']
        loop.validated = state['validated']
        loop.stop_training = state['stop']
        if state['sampler_seed'] is not None:
            loop.dataloader.sampler.seed = state['sampler_seed']
        self._gradients = state.get('gradients', {})

    def before_train(self, runner: Runner) -> None:
        """Put back the gradients, once nothing clears them any more."""
        if self._gradients:
            set_gradients(bare_model(runner), self._gradients)
            runner.logger.info(
                'the gradients of the steps before an update are restored'
            )
        self._gradients = {}


def _epoch_of(dataloader: Any) -> dict[str, int | None]:
    """What decides which pictures are in which batch, but for the seed."""
    return dict(
        batches=len(dataloader),
        pictures=len(dataloader.dataset),
        batch_size=dataloader.batch_size,
        processes=get_world_size(),
    )
