"""No step on a loss that is no number."""

from functools import partial, update_wrapper
from typing import Any

import torch
from mmengine.dist import all_gather_object, get_world_size
from mmengine.hooks import Hook
from mmengine.optim import AmpOptimWrapper
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from llm_mde_mm.utils.errors import ConfigError, NonFiniteError

from ..vote import Vote
from .resume_state_hook import KEY


@HOOKS.register_module()
class FiniteLossHook(Hook):
    """End the training, or skip the step, before the weights are touched.

    The loss is looked at once the backward pass is under way, so that a GPU
    does not wait, and before the optimizer's step; all processes act alike.
    Where gradients are clipped by their norm, a norm that is not finite
    counts too. Under ``AmpOptimWrapper`` it does not: a gradient that
    overflows float16 is for the loss scaler to deal with.

    A skipped step drops the gradients that were accumulated before it and
    what its pictures did to the statistics of batch norms; the schedules go
    on.

    Args:
        action (str): 'raise' or 'skip'.
        max_skips (int): After so many skipped steps of a run, the next one
            raises.

    Raises:
        ConfigError: If an argument is none of these.
    """

    priority = 'VERY_HIGH'

    def __init__(self, action: str = 'raise', max_skips: int = 10) -> None:
        if action not in ('raise', 'skip'):
            raise ConfigError(
                f"FiniteLossHook.action is {action!r}: give 'raise' or 'skip'"
            )
        if max_skips < 1:
            raise ConfigError(
                f'FiniteLossHook.max_skips is {max_skips}: give 1 or more'
            )
        self.action = action
        self.max_skips = max_skips
        self.skipped = 0
        self._is_bad = False

    def before_train(self, runner: Runner) -> None:
        """Stand between the loss and the optimizer."""
        wrapper = runner.optim_wrapper
        self._runner = runner
        self._statistics = [
            buffer
            for layer in runner.model.modules()
            if isinstance(layer, _BatchNorm)
            for buffer in layer.buffers()
        ]
        guards: dict[str, Any] = dict(backward=self._backward, step=self._step)
        is_norm = getattr(wrapper, 'grad_name', None) == 'grad_norm'
        if is_norm and not isinstance(wrapper, AmpOptimWrapper):
            guards['clip_func'] = self._clip
        self._unguarded = {name: getattr(wrapper, name) for name in guards}
        for name, guard in guards.items():
            inner = self._unguarded[name]
            # With its attributes: the schedules look at those of `step`.
            outer = update_wrapper(partial(guard, inner), inner)
            setattr(wrapper, name, outer)

    def after_train(self, runner: Runner) -> None:
        """Step aside."""
        for name, inner in self._unguarded.items():
            setattr(runner.optim_wrapper, name, inner)

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None
    ) -> None:
        """Remember whose loss it will be, and what its pictures will move."""
        self._batch = data_batch
        if self.action == 'skip':
            self._kept = [buffer.clone() for buffer in self._statistics]

    def _backward(self, backward: Any, loss: Tensor, **kwargs: Any) -> None:
        mine = ~torch.isfinite(loss.detach())
        vote = Vote(mine)
        backward(loss, **kwargs)
        self._is_bad = vote.passed()
        if self._is_bad:
            self._refuse('the loss', bool(mine))
            self._runner.optim_wrapper.zero_grad()

    def _step(self, step: Any, **kwargs: Any) -> None:
        # Without gradients there is nothing for a loss scaler to look at.
        if self._is_bad:
            return
        try:
            step(**kwargs)
        except _NonFiniteNormError:
            # It is the mean of all processes': any batch may be the cause.
            self._refuse('the gradient', True)

    def _clip(self, clip: Any, *args: Any, **kwargs: Any) -> Tensor:
        norm = clip(*args, **kwargs)
        if not torch.isfinite(norm):
            raise _NonFiniteNormError
        return norm

    def _refuse(self, what: str, mine: bool) -> None:
        """Raise, or count and log; all processes come here together.

        Args:
            what (str): What is no number.
            mine (bool): Whether it may be this process's batch.

        Raises:
            NonFiniteError: If it is not to be skipped.
        """
        text = (
            f'{what} of step {self._runner.iter + 1} is not finite; the batch '
            f'is {self._suspects(mine)}'
        )
        if self.action == 'raise' or self.skipped >= self.max_skips:
            before = (
                f' ({self.skipped} steps were skipped before)'
                if self.skipped
                else ''
            )
            raise NonFiniteError(
                f'{text}{before}. The weights and the last checkpoint are as '
                'they were before it: look at these files, lower the learning '
                "rate, or skip such steps by FiniteLossHook(action='skip')"
            )
        self.skipped += 1
        for buffer, kept in zip(self._statistics, self._kept, strict=True):
            buffer.copy_(kept)
        self._runner.logger.warning(
            f'{text}. Skipped: {self.skipped} of at most {self.max_skips}'
        )

    def _suspects(self, mine: bool) -> str:
        """File names, of several processes with their numbers."""
        names = ', '.join(
            sample.metainfo.get('img_path', '?')
            for sample in self._batch['data_samples']
        )
        if get_world_size() == 1:
            return names
        # The first process alone writes the log.
        each = all_gather_object(names if mine else None)
        return '; '.join(
            f'{names} (process {rank})'
            for rank, names in enumerate(each)
            if names is not None
        )

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Write the count."""
        checkpoint.setdefault(KEY, {})['skipped_steps'] = self.skipped

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Read the count of a run that goes on."""
        if runner._resume:
            self.skipped = checkpoint.get(KEY, {}).get('skipped_steps', 0)


class _NonFiniteNormError(Exception):
    """Leaves MMEngine's step before its optimizer is called."""
