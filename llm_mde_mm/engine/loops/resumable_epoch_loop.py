"""An epoch-based training that can be cut anywhere."""

import logging
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

from mmengine.dist import (
    barrier,
    get_rank,
    get_world_size,
    is_main_process,
)
from mmengine.logging import print_log
from mmengine.runner import EpochBasedTrainLoop
from mmseg.registry import LOOPS
from torch import nn
from torch.utils.data import BatchSampler

from llm_mde_mm.utils.checkpoint_writing import POINTER, move_pointer
from llm_mde_mm.utils.errors import TrainingInterrupted
from llm_mde_mm.utils.seeding import seed_everything

from ..gradients import is_accumulating
from ..hooks.resume_state_hook import ResumeStateHook
from ..stop_signals import StopSignals
from ..vote import Vote

# Written when a signal ends the training; the next one replaces it.
INTERRUPTED = 'interrupted.pth'
# Keeps a step's draws apart from those of a data set's item.
_STEP = 1


@LOOPS.register_module()
class ResumableEpochLoop(EpochBasedTrainLoop):
    """MMEngine's loop; a run that was cut goes on as if it had not been.

    * Python's, NumPy's and torch's generators are seeded before each step by
      (seed, rank, iteration): what dropout draws depends on nothing before.
    * A checkpoint from inside an epoch is gone on from at its batch. The
      sampler skips the others (:class:`SeededSampler`); nothing is decoded.
    * A validation that was due after the checkpoint was saved, as MMEngine
      saves an epoch first, is made up for.
    * SIGINT, SIGTERM and SIGUSR1 end the training after the optimizer's step,
      with a checkpoint and :class:`TrainingInterrupted` in every process.

    :class:`ResumeStateHook`, which the loop adds to the runner, keeps this in
    the checkpoints.

    Args:
        runner (Runner): The runner.
        dataloader (DataLoader | dict): Training data.
        **kwargs: ``max_epochs``, ``val_begin``, ``val_interval`` and
            ``dynamic_intervals`` of MMEngine's ``EpochBasedTrainLoop``.

    Attributes:
        batch (int): Batches of this epoch that are done.
        validated (int): Epochs that were done at the last validation.
    """

    def __init__(self, runner: Any, dataloader: Any, **kwargs: Any) -> None:
        super().__init__(runner, dataloader, **kwargs)
        self.batch = 0
        self.validated = 0
        self._signals = StopSignals()
        self._vote: Vote | None = None
        self._stopping = False
        if not any(isinstance(h, ResumeStateHook) for h in runner.hooks):
            runner.register_hook(ResumeStateHook())

    def run(self) -> nn.Module:
        """Train.

        Returns:
            nn.Module: The model.

        Raises:
            TrainingInterrupted: If a signal asked to stop.
        """
        self._signals.shield_workers(self.dataloader)
        if self.runner.val_loop is not None:
            self._signals.shield_workers(self.runner.val_loop.dataloader)
        with self._signals:
            self.runner.call_hook('before_train')
            self._validate()
            while self._epoch < self._max_epochs and not self.stop_training:
                self.run_epoch()
                self._validate()
        self._count_last_vote()
        self.runner.call_hook('after_train')
        if is_main_process():
            _drop_interrupted(Path(self.runner.work_dir))
        return self.runner.model

    def _validate(self) -> None:
        """Validate if it is this epoch's turn and was not done."""
        self._decide_current_val_interval()
        if (
            self.runner.val_loop is not None
            and self.validated != self._epoch >= self.val_begin
            and (
                self._epoch % self.val_interval == 0
                or self._epoch == self._max_epochs
            )
        ):
            # MMEngine would log the mean over the last validations of all
            # that is called a loss, beside this one's scores.
            logged = self.runner.message_hub.log_scalars
            for key in [k for k in logged if k.startswith('val/loss')]:
                del logged[key]
            self.runner.val_loop.run()

    def run_epoch(self) -> None:
        """Train on the batches of an epoch that are left."""
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        for idx, data_batch in enumerate(self._batches(), self.batch):
            self.run_iter(idx, data_batch)
        self.batch = 0
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1

    def _batches(self) -> Iterable:
        loader = self.dataloader
        if self.batch == 0:
            return loader
        if self.batch >= len(loader):
            return ()
        plain = type(loader.batch_sampler) is BatchSampler
        if plain and hasattr(loader.sampler, 'start_at'):
            loader.sampler.start_at(self.batch * loader.batch_size)
            return loader
        print_log(
            f'{type(loader.sampler).__name__} cannot start inside an epoch '
            f'as SeededSampler can: the {self.batch} batches before are '
            'loaded and dropped',
            logger='current',
            level=logging.WARNING,
        )
        return islice(loader, self.batch, None)

    def run_iter(self, idx: int, data_batch: Any) -> None:
        """Train on a batch.

        Args:
            idx (int): Its place in the epoch.
            data_batch (Any): What the loader gave.

        Raises:
            TrainingInterrupted: If a signal asked to stop.
        """
        # The hooks after the step may save.
        self.batch = idx + 1
        seed_everything(self.runner.seed, get_rank(), self._iter, _STEP)
        super().run_iter(idx, data_batch)
        if self._asked_to_stop() and not is_accumulating(
            self.runner.optim_wrapper
        ):
            self._stop()

    def _asked_to_stop(self) -> bool:
        """Whether a signal came; of several processes, up to a step ago."""
        mine = self._signals.received is not None
        if get_world_size() == 1:
            return mine
        self._count_last_vote()
        self._vote = Vote(mine)
        return self._stopping

    def _count_last_vote(self) -> None:
        """None may be under way when gloo's threads are ended."""
        if self._vote is not None:
            self._stopping |= self._vote.passed()
            self._vote = None

    def _stop(self) -> None:
        self._count_last_vote()
        path = save_now(self.runner)
        # Whoever leaves first has the others killed by torchrun.
        barrier()
        raise TrainingInterrupted(
            f'{self._signals.received or "a signal"} stopped the training '
            f'after step {self._iter} of {self._max_iters}, saved as {path}',
            str(path),
        )


def save_now(runner: Any) -> Path:
    """Save between two steps.

    Args:
        runner (Runner): Its ``iter`` counts the steps that are done.

    Returns:
        Path: ``interrupted.pth`` in the work dir, named by
        ``last_checkpoint``.
    """
    runner.save_checkpoint(
        runner.work_dir,
        INTERRUPTED,
        meta=dict(epoch=runner.epoch, iter=runner.iter),
        by_epoch=False,
    )
    path = Path(runner.work_dir) / INTERRUPTED
    if is_main_process():
        move_pointer(path.parent, path)
    return path


def _drop_interrupted(folder: Path) -> None:
    """Remove ``interrupted.pth`` once a later checkpoint is the last one."""
    pointer = folder / POINTER
    if pointer.is_file() and pointer.read_bytes() != INTERRUPTED.encode():
        (folder / INTERRUPTED).unlink(missing_ok=True)
