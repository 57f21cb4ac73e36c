"""Whether the language model still tells one patch from another."""

from typing import Any

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

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


def patch_rank(tokens: Tensor) -> Tensor:
    """In how many directions the tokens of a picture differ.

    The effective rank (Roy and Vetterli, EUSIPCO 2007) of their covariance.

    Args:
        tokens (Tensor): ``(B, N, D)``.

    Returns:
        Tensor: ``(B,)``, the exponential of the entropy of the directions'
        shares of variance: 1 where all tokens are the same or lie on a line,
        at most the lower of N - 1 and D. NaN where one is not finite.
    """
    tokens = tokens.float()
    tokens = tokens - tokens.mean(1, keepdim=True)
    # svdvals raises on what is not finite.
    finite = tokens.isfinite().all(2).all(1)
    tokens = tokens.where(finite[:, None, None], tokens.new_zeros(()))
    variance = torch.linalg.svdvals(tokens).square()
    share = variance / variance.sum(1, keepdim=True).clamp(min=1e-12)
    rank = torch.special.entr(share).sum(1).exp()
    return rank.where(finite, rank.new_tensor(torch.nan))


@HOOKS.register_module()
class PatchSpreadHook(Hook):
    """Log what each validation's patches differ by, warn where it vanishes.

    A language model that is trained too fast can end up with the same state
    for every patch. Nothing of the picture comes through it then, no gradient
    brings it back, and with a path round it (``neck.vision_channels``) scores
    hardly tell. So can a reprogramming whose tokens differ in one or two
    directions alone. Means over the pictures are logged: ``patch_spread``,
    :func:`patch_spread` of the language model's states, and ``patch_rank``,
    :func:`patch_rank` of what it reads. Models without a language model are
    left alone.

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
        self._spreads: list[Tensor] = []
        self._ranks: list[Tensor] = []
        self._handles: list[RemovableHandle] = []

    def before_val_epoch(self, runner: Runner) -> None:
        """Begin to listen."""
        backbone = getattr(bare_model(runner), 'backbone', None)
        if isinstance(backbone, LLMDepthBackbone):
            self._spreads, self._ranks = [], []
            self._handles = [
                backbone.register_forward_hook(self._states),
                backbone.reprogramming.register_forward_hook(self._tokens),
            ]

    def _states(
        self, backbone: nn.Module, inputs: Any, features: LLMFeatures
    ) -> None:
        self._spreads.append(patch_spread(features.patch_map.detach()))

    def _tokens(self, module: nn.Module, inputs: Any, tokens: Tensor) -> None:
        self._ranks.append(patch_rank(tokens.detach()))

    def after_val_epoch(
        self, runner: Runner, metrics: dict[str, float] | None = None
    ) -> None:
        """Log, and warn."""
        if not self._handles:
            return
        while self._handles:
            self._handles.pop().remove()
        spread, rank = _mean(self._spreads), _mean(self._ranks)
        runner.message_hub.update_scalar('val/patch_spread', spread)
        runner.message_hub.update_scalar('val/patch_rank', rank)
        if spread < self.least:
            runner.logger.warning(
                f"the language model's states differ by {spread:.1e} of their "
                'length between the patches of a picture: nothing of it comes '
                'through. Lower the learning rate of backbone.language and '
                'backbone.reprogramming (lr_mult in '
                'optim_wrapper.paramwise_cfg.custom_keys) and train anew'
            )


def _mean(batches: list[Tensor]) -> float:
    """Over the pictures of all processes."""
    values = torch.cat(batches)
    sums = torch.stack([values.sum(), values.new_tensor(len(values))])
    all_reduce(sums)
    return float(sums[0] / sums[1])
