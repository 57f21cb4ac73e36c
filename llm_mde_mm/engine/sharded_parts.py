"""What a model whose weights are spread over processes is wrapped in."""

from typing import Any

from mmengine.dist import all_reduce
from mmengine.model import MMFullyShardedDataParallel
from mmengine.optim import OptimWrapper
from mmseg.registry import MODEL_WRAPPERS, OPTIM_WRAPPERS
from mmseg.utils import SampleList
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from llm_mde_mm.utils.errors import ConfigError


def transformer_blocks(network: nn.Module) -> list[nn.Module]:
    """The transformer blocks of the networks in a backbone.

    Args:
        network (nn.Module): Its children are the networks.

    Returns:
        list[nn.Module]: Of each child, the longest list of layers of one
        class.
    """
    blocks: list[nn.Module] = []
    for child in network.children():
        longest: list[nn.Module] = []
        for module in child.modules():
            if not isinstance(module, nn.ModuleList | nn.Sequential):
                continue
            layers: list[nn.Module] = list(module)
            alike = len({type(layer) for layer in layers}) == 1
            if alike and len(layers) > max(1, len(longest)):
                longest = layers
        blocks += longest
    return blocks


@MODEL_WRAPPERS.register_module()
class ShardedDepthModel(MMFullyShardedDataParallel):
    """MMEngine's FSDP wrapper, whose validation scores each picture too."""

    def val_step(self, data: dict) -> SampleList:
        """As :meth:`LLMDepthEstimator.val_step`, through the wrapper."""
        return self.module.score(super().val_step(data))


@OPTIM_WRAPPERS.register_module()
class ShardedOptimWrapper(OptimWrapper):
    """Clips by the norm of the whole gradient, not of a process's share.

    Args:
        *args: Those of MMEngine's ``OptimWrapper``.
        **kwargs: Likewise.

    Raises:
        ConfigError: If gradients are to be accumulated.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self._accumulative_counts > 1:
            raise ConfigError(
                'ShardedOptimWrapper.accumulative_counts: gradients that wait '
                'for their update would be missing in a checkpoint; give a '
                'larger batch_size, or more processes'
            )
        if getattr(self, 'grad_name', None) == 'grad_norm':
            self.clip_func = _clip_whole

    def _clip_grad(self) -> None:
        if self.grad_name != 'grad_norm':
            super()._clip_grad()
            return
        # Also where this process has no share of a gradient, as the others
        # wait for its part of the norm.
        parameters = [
            parameter
            for group in self.optimizer.param_groups
            for parameter in group['params']
            if parameter.grad is not None
        ]
        norm = self.clip_func(parameters, **self.clip_grad_kwargs)
        self.message_hub.update_scalar('train/grad_norm', float(norm))


def _clip_whole(
    parameters: list[nn.Parameter],
    max_norm: float,
    norm_type: float | str = 2.0,
    **kwargs: Any,
) -> Tensor:
    """Torch's ``clip_grad_norm_`` over the shares of all processes."""
    grads = [p.grad for p in parameters if p.grad is not None]
    kind = float(norm_type)
    total = get_total_norm(grads, kind, **kwargs)
    if kind == float('inf'):
        all_reduce(total, op='max')
    else:
        total = total**kind
        all_reduce(total)
        total = total ** (1 / kind)
    clip_grads_with_norm_(parameters, max_norm, total)
    return total
