"""Whether the language model still tells one patch from another."""

from typing import Any

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import Tensor, nn

from llm_mde_mm.models import LLMDepthBackbone
from llm_mde_mm.models.features import LLMFeatures
from llm_mde_mm.utils.errors import ConfigError

from ..gradients import bare_model


def patch_spread(patch_map: Tensor) -> Tensor:
    """How much the states of a picture's patches differ.

    Args:
        patch_map (Tensor): ``(B, D, h, w)`` states.

    Returns:
        Tensor: ``(B,)`` root mean square distance of the states from their
        mean, as a part of the mean's length; 0 where all are the same.
    """
    states = patch_map.flatten(2).float()
    mean = states.mean(2, keepdim=True)
    spread = (states - mean).square().sum(1).mean(1).sqrt()
    return spread / mean[..., 0].norm(dim=1).clamp(min=1e-12)


@HOOKS.register_module()
class PatchSpreadHook(Hook):
    """Log :func:`patch_spread` of each validation, warn where it vanishes.

    A language model that is trained too fast can end up with the same state
    for every patch. Nothing of the picture comes through it then, no gradient
    brings it back, and with a path round it (``neck.vision_channels``) scores
    hardly tell. The mean over the pictures is logged as ``patch_spread``.
    Models without a language model are left alone.

    Args:
        least (float): Warn below it.

    Raises:
        ConfigError: If ``least`` is negative.
    """

    def __init__(self, least: float = 1e-3) -> None:
        if least < 0:
            raise ConfigError(
                f'PatchSpreadHook.least is {least}: give 0 or more'
            )
        self.least = least
        self._values: list[Tensor] = []
        self._handle: Any = None

    def before_val_epoch(self, runner: Runner) -> None:
        """Begin to listen."""
        backbone = getattr(bare_model(runner), 'backbone', None)
        if isinstance(backbone, LLMDepthBackbone):
            self._values = []
            self._handle = backbone.register_forward_hook(self._listen)

    def _listen(
        self, backbone: nn.Module, inputs: Any, features: LLMFeatures
    ) -> None:
        self._values.append(patch_spread(features.patch_map.detach()))

    def after_val_epoch(
        self, runner: Runner, metrics: dict[str, float] | None = None
    ) -> None:
        """Log, and warn."""
        if self._handle is None:
            return
        self._handle.remove()
        self._handle = None
        values = torch.cat(self._values)
        sums = torch.stack([values.sum(), values.new_tensor(len(values))])
        all_reduce(sums)
        value = float(sums[0] / sums[1])
        runner.message_hub.update_scalar('val/patch_spread', value)
        if value < self.least:
            runner.logger.warning(
                f"the language model's states differ by {value:.1e} of their "
                'length between the patches of a picture: nothing of it comes '
                'through. Lower the learning rate of backbone.language and '
                'backbone.reprogramming (lr_mult in '
                'optim_wrapper.paramwise_cfg.custom_keys) and train anew'
            )
