"""Mixed precision in bfloat16, on GPUs and CPUs alike."""

from contextlib import contextmanager

import torch
from mmengine.device import get_device
from mmengine.optim import OptimWrapper
from mmseg.registry import OPTIM_WRAPPERS
from torch import nn


@OPTIM_WRAPPERS.register_module()
class BF16OptimWrapper(OptimWrapper):
    """Run the forward pass under bfloat16 autocast.

    bfloat16 has the range of float32, so no loss scaling is needed.
    MMEngine's ``AmpOptimWrapper`` refuses to work without a GPU.
    """

    @contextmanager
    def optim_context(self, model: nn.Module):
        """Autocast inside MMEngine's own context.

        Args:
            model (nn.Module): The model that is trained.
        """
        device = torch.device(get_device()).type
        with (
            super().optim_context(model),
            torch.autocast(device, dtype=torch.bfloat16),
        ):
            yield
