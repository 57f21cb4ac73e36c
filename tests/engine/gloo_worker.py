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

    def __init__(self, model):
        self.optim_wrapper = OptimWrapper(
            torch.optim.SGD(model.parameters(), lr=1.0)
        )


def refusal(model, rank):
    """The second process has a loss that is no number."""
    runner = Runner(model)
    hook = FiniteLossHook()
    hook.before_train(runner)
    sample = SegDataSample(metainfo=dict(img_path=f'{rank}.jpg'))
    hook.before_train_iter(runner, 0, dict(data_samples=[sample]))
    factor = float('nan') if rank else 1.0
    try:
        runner.optim_wrapper.update_params(model.weight.sum() * factor)
    except NonFiniteError as error:
        return str(error)


def work(rank):
    votes = [Vote(rank == 1), Vote(False), Vote(torch.tensor(rank == 0))]
    model = nn.Linear(2, 1)
    nn.init.ones_(model.weight)
    model.weight.grad = torch.tensor([[1.0 + rank, 4.0]])
    average_gradients(model)
    gradient = model.weight.grad.tolist()
    text = refusal(model, rank)
    return dict(
        votes=[vote.passed() for vote in votes],
        gradient=gradient,
        refusal=text,
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
