"""One process of two; run by test_two_processes.py."""

import json
import sys

import torch
import torch.distributed as dist
from mmengine.optim import OptimWrapper
from mmseg.structures import SegDataSample
from torch import nn

from llm_mde_mm.engine import FiniteLossHook
from llm_mde_mm.engine.gradients import average_gradients
from llm_mde_mm.engine.vote import Vote
from llm_mde_mm.utils.errors import NonFiniteError


class Runner:
    """What the hook asks of a runner."""

    iter = 0

    def __init__(self, model, **kwargs):
        self.model, self.logger, self.warnings = model, self, []
        self.warning = self.warnings.append
        self.optim_wrapper = OptimWrapper(
            torch.optim.SGD(model.parameters(), lr=1.0), **kwargs
        )


def refusal(model, rank, action):
    """The second process has a loss that is no number."""
    runner = Runner(model)
    hook = FiniteLossHook(action)
    hook.before_train(runner)
    sample = SegDataSample(metainfo=dict(img_path=f'{rank}.jpg'))
    hook.before_train_iter(runner, 0, dict(data_samples=[sample]))
    factor = float('nan') if rank else 1.0
    try:
        runner.optim_wrapper.update_params(model.weight.sum() * factor)
    except NonFiniteError as error:
        return str(error)
    return runner.warnings


def infinite_gradient(rank):
    """Both processes have the mean of their gradients."""
    model = nn.Linear(1, 1)
    runner = Runner(model, clip_grad=dict(max_norm=1.0))
    hook = FiniteLossHook('skip')
    hook.before_train(runner)
    sample = SegDataSample(metainfo=dict(img_path=f'{rank}.jpg'))
    hook.before_train_iter(runner, 0, dict(data_samples=[sample]))
    runner.optim_wrapper.update_params(
        ((model.weight - model.weight) ** 2).sum().sqrt()
    )
    return runner.warnings


def work(rank):
    votes = [Vote(rank == 1), Vote(False), Vote(torch.tensor(rank == 0))]
    model = nn.Linear(2, 1)
    nn.init.ones_(model.weight)
    model.weight.grad = torch.tensor([[1.0 + rank, 4.0]])
    average_gradients(model)
    gradient = model.weight.grad.tolist()
    text = refusal(model, rank, 'raise')
    skipped = refusal(model, rank, 'skip')
    return dict(
        votes=[vote.passed() for vote in votes],
        gradient=gradient,
        refusal=text,
        skipped=skipped,
        gradient_skipped=infinite_gradient(rank),
        weight=model.weight.tolist(),
    )


if __name__ == '__main__':
    rank, folder = int(sys.argv[1]), sys.argv[2]
    dist.init_process_group(
        'gloo', init_method=f'file://{folder}/store', rank=rank, world_size=2
    )
    result = work(rank)
    with open(f'{folder}/{rank}.json', 'w') as file:
        json.dump(result, file)
    dist.barrier()
    dist.destroy_process_group()
