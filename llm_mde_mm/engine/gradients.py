"""Gradients that wait for the rest of their accumulation."""

from collections.abc import Mapping

import torch
import torch.distributed as torch_dist
from mmengine.dist import get_world_size
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch import Tensor, nn


def is_accumulating(wrapper: OptimWrapper) -> bool:
    """Whether the last step left gradients that are not yet applied."""
    return wrapper._accumulative_counts > 1 and not wrapper.should_update()


def bare_model(runner: Runner) -> nn.Module:
    """The model without the wrapper of data parallelism."""
    model = runner.model
    return model.module if is_model_wrapper(model) else model


def get_gradients(model: nn.Module) -> dict[str, Tensor]:
    """Copies of all gradients by parameter name, on the CPU."""
    return {
        name: parameter.grad.detach().cpu().clone()
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }


def set_gradients(model: nn.Module, gradients: Mapping[str, Tensor]) -> None:
    """Put back what :func:`get_gradients` gave.

    Args:
        model (nn.Module): The model.
        gradients (Mapping[str, Tensor]): By parameter name; the others have
            none.
    """
    for name, parameter in model.named_parameters():
        gradient = gradients.get(name)
        parameter.grad = (
            None if gradient is None else gradient.to(parameter.device)
        )


@torch.no_grad()
def average_gradients(model: nn.Module) -> None:
    """Give all processes the mean of their gradients.

    Data parallelism leaves this to the accumulation's last step. Doing it
    earlier changes the outcome by rounding alone, and one process's file then
    holds what all processes need.
    """
    count = get_world_size()
    if count == 1:
        return
    for parameter in model.parameters():
        if parameter.grad is not None:
            torch_dist.all_reduce(parameter.grad)
            parameter.grad /= count
