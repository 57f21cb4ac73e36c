"""Early stopping that outlives a run's interruption."""

from mmengine.hooks import EarlyStoppingHook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from .resume_state_hook import KEY


@HOOKS.register_module()
class ResumableEarlyStoppingHook(EarlyStoppingHook):
    """MMEngine's hook, with its count and best score in the checkpoints.

    Args:
        *args: Those of MMEngine's.
        **kwargs: Likewise.
    """

    # Before the hook that saves the best checkpoint, so that the count and
    # the score that are saved hold the validation they belong to.
    priority = 'LOW'

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Write the state, by the name of what is watched."""
        states = checkpoint.setdefault(KEY, {}).setdefault(
            'early_stopping', {}
        )
        states[self.monitor] = dict(
            wait_count=self.wait_count, best_score=float(self.best_score)
        )

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Read the state of a run that goes on."""
        states = checkpoint.get(KEY, {}).get('early_stopping', {})
        if runner._resume and self.monitor in states:
            self.wait_count = states[self.monitor]['wait_count']
            self.best_score = states[self.monitor]['best_score']
