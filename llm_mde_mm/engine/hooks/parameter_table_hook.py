"""What is trained, at the start of the log."""

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from llm_mde_mm.utils.parameter_table import parameter_table

from ..gradients import bare_model


@HOOKS.register_module()
class ParameterTableHook(Hook):
    """Log parameters, trained parameters and learning rate of each part once.

    Args:
        depth (int): How many levels of submodules make a part's name.
    """

    def __init__(self, depth: int = 2) -> None:
        self.depth = depth

    def before_train(self, runner: Runner) -> None:
        """Log the table."""
        model = bare_model(runner)
        rates = {
            parameter: group.get('initial_lr', group['lr'])
            for group in runner.optim_wrapper.optimizer.param_groups
            for parameter in group['params']
        }
        runner.logger.info(
            'parameters:\n' + parameter_table(model, rates, self.depth)
        )
