"""What the log says of a validation is that validation's own."""

from mmengine.hooks import Hook

from tests.engine.training import config, train


class LoggedHook(Hook):
    """Keep each validation's scores, and what the log makes of them."""

    priority = 'LOWEST'

    def __init__(self):
        self.scores, self.logged = [], []

    def after_val_epoch(self, runner, metrics=None):
        log = runner.log_processor.get_log_after_epoch(runner, 1, 'val')[0]
        self.scores.append(dict(metrics))
        self.logged.append({key: log[key] for key in metrics})


def test_losses_are_no_mean_over_past_validations(tmp_path):
    hook = LoggedHook()
    train(config(tmp_path), hook)
    assert len(hook.scores) == 3 and hook.logged == hook.scores
    assert len({scores['loss'] for scores in hook.scores}) == 3
