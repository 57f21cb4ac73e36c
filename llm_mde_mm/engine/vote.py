"""What all processes must agree on before they act."""

import torch
import torch.distributed as torch_dist
from mmengine.dist import get_comm_device, get_world_size
from torch import Tensor


class Vote:
    """Whether any process says yes; cast at once, counted later.

    The processes exchange their votes while they compute, so that nobody
    waits between :meth:`__init__` and :meth:`passed`. Each process must cast
    the same votes in the same order.

    Args:
        yes (Tensor | bool): This process's vote; a tensor of one element may
            be unfinished work of a GPU.
    """

    def __init__(self, yes: Tensor | bool) -> None:
        self._work = None
        self._yes = yes
        if get_world_size() > 1:
            self._yes = torch.as_tensor(
                yes, dtype=torch.float32, device=get_comm_device()
            ).clone()
            self._work = torch_dist.all_reduce(
                self._yes, torch_dist.ReduceOp.MAX, async_op=True
            )

    def passed(self) -> bool:
        """Whether any process said yes."""
        if self._work is not None:
            self._work.wait()
        return bool(self._yes)
