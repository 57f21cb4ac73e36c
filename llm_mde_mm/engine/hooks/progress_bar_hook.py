"""A progress bar over the whole training and over each test."""

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

_FORMAT = (
    '{desc} {percentage:3.0f}%|{bar}| step {n_fmt}/{total_fmt}'
    '{postfix} [{elapsed} < {remaining}]'
)


@HOOKS.register_module()
class ProgressBarHook(Hook):
    """Epoch, step, loss, learning rate and time left, on one line.

    Log lines are printed above the bar. Where the output is no terminal, a
    line is written every ``interval_s`` seconds instead.

    Args:
        interval_s (float): Seconds between two lines without a terminal.
    """

    priority = 'VERY_LOW'

    def __init__(self, interval_s: float = 30.0) -> None:
        self.interval_s = interval_s
        self._bar: Any = None
        self._stack = ExitStack()

    def _open(self, runner: Runner, total: int, start: int, text: str) -> None:
        self._close()
        if not is_main_process():
            return
        is_terminal = sys.stderr.isatty()
        self._bar = tqdm(
            total=total,
            initial=start,
            desc=text,
            bar_format=_FORMAT,
            dynamic_ncols=is_terminal,
            ncols=None if is_terminal else 100,
            mininterval=0.2 if is_terminal else self.interval_s,
            ascii=not is_terminal,
        )
        self._stack = ExitStack()
        self._stack.enter_context(logging_redirect_tqdm([runner.logger]))

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        self._stack.close()

    def before_train(self, runner: Runner) -> None:
        """Open the bar over all steps of the training."""
        self._open(runner, runner.max_iters, runner.iter, 'train')

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict | None = None,
    ) -> None:
        """Show the step's loss and learning rate."""
        if self._bar is None:
            return
        rates = runner.optim_wrapper.get_lr()
        # That of the config, where parts have a share of it.
        rate = (rates.get('base_lr') or rates['lr'])[0]
        shown = {'lr': f'{rate:.1e}'}
        if outputs and 'loss' in outputs:
            shown = {'loss': f'{outputs["loss"].item():.3f}', **shown}
        self._bar.set_description_str(
            f'epoch {runner.epoch + 1}/{runner.max_epochs}', refresh=False
        )
        self._bar.set_postfix(shown, refresh=False)
        self._bar.update()

    def after_train(self, runner: Runner) -> None:
        """Close the bar."""
        self._close()

    def before_test_epoch(self, runner: Runner) -> None:
        """Open a bar over the batches of the test."""
        self._open(runner, len(runner.test_dataloader), 0, 'test')

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Sequence | None = None,
    ) -> None:
        """Advance the bar of the test."""
        if self._bar is not None:
            self._bar.update()
            # The table of scores follows before the epoch's hook is called.
            if self._bar.n >= self._bar.total:
                self._close()
