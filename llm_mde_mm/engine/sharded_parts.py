"""What a model whose weights are spread over processes is wrapped in."""

from mmengine.dist import all_reduce
from mmengine.model import MMFullyShardedDataParallel
from mmengine.optim import OptimWrapper
from mmseg.registry import MODEL_WRAPPERS, OPTIM_WRAPPERS
from mmseg.utils import SampleList
from torch import nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm


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
    """Clips by the norm of the whole gradient, not of a process's share."""

    def _clip_grad(self) -> None:
        grads = [
            parameter
            for group in self.optimizer.param_groups
            for parameter in group['params']
            if parameter.grad is not None
        ]
        kwargs = dict(self.clip_grad_kwargs)
        max_norm, kind = kwargs.pop('max_norm'), kwargs.pop('norm_type', 2.0)
        norm = get_total_norm([p.grad for p in grads], kind, **kwargs)
        total = norm**kind
        all_reduce(total)
        total = total ** (1 / kind)
        clip_grads_with_norm_(grads, max_norm, total)
        self.message_hub.update_scalar('train/grad_norm', float(total))
