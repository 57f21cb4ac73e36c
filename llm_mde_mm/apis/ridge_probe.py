"""Fit a :class:`RidgeProbe` to a config's training pictures and score it."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from mmengine.runner import Runner
from torch import Tensor

from llm_mde_mm.evaluation.report import collect_reports
from llm_mde_mm.models.decode_heads import RidgeProbe
from llm_mde_mm.utils.errors import ConfigError

from .ablation import training_pictures

PENALTIES = tuple(10.0**k for k in range(7))
"""What is tried; tokens have unit variance, a picture some 200 of them."""


@torch.no_grad()
def patch_pairs(model: Any, batches: Iterable) -> tuple[Tensor, Tensor]:
    """Tokens and mean log depth of the patches where depth was measured.

    Args:
        model (LLMDepthEstimator): Its decode head is a :class:`RidgeProbe`.
        batches (Iterable): Of a data loader with ground truth.

    Returns:
        tuple[Tensor, Tensor]: ``(n, C)`` and ``(n,)``, of metres.
    """
    tokens, targets = [], []
    for batch in batches:
        data = model.data_preprocessor(batch, False)
        maps = model.decode_head.tokens(model.backbone(data['inputs']))
        for patches, sample in zip(maps, data['data_samples'], strict=True):
            depth = sample.gt_depth_map.data
            valid = depth > 0
            log = torch.where(valid, depth, 1.0).log()
            size = patches.shape[-2:]
            share = torch.nn.functional.adaptive_avg_pool2d(
                valid.float()[None], size
            ).flatten()
            mean = torch.nn.functional.adaptive_avg_pool2d(log[None], size)
            seen = share > 0
            tokens.append(patches.flatten(1).T[seen])
            targets.append(mean.flatten()[seen] / share[seen])
    return torch.cat(tokens), torch.cat(targets)


def fit_ridge_probe(
    runner: Runner, penalties: Sequence[float] = PENALTIES
) -> dict[str, dict]:
    """Fit on the training pictures; the validation pictures choose.

    Args:
        runner (Runner): Of a config with a :class:`RidgeProbe`; the probe is
            fitted in place.
        penalties (Sequence[float]): The one of the lowest Abs Rel on the
            patches of ``val`` is kept.

    Returns:
        dict[str, dict]: Reports of the runner's test metrics on ``val`` and
        ``test``, with the ``penalty``.

    Raises:
        ConfigError: If the decode head is another, or a penalty is not above
            0.
    """
    model: Any = runner.model
    if not isinstance(model.decode_head, RidgeProbe):
        raise ConfigError(
            f'model.decode_head is a {type(model.decode_head).__name__}: '
            'give a config with a RidgeProbe, such as '
            'configs/baselines/ridge_probe.py'
        )
    if not penalties or min(penalties) <= 0:
        raise ConfigError(f'penalties must be above 0, got {penalties}')
    model.eval()
    head, loop = model.decode_head, runner.test_loop
    loaders = dict(
        val=runner.build_dataloader(runner.cfg.val_dataloader),
        test=loop.dataloader,
    )
    tokens, targets = patch_pairs(model, training_pictures(runner))
    unseen, wanted = patch_pairs(model, loaders['val'])
    errors = {}
    for penalty in penalties:
        head.fit(tokens, targets, penalty)
        found = unseen.float() @ head.weight + head.bias
        errors[penalty] = float(((found - wanted).exp() - 1).abs().mean())
    best = min(errors, key=errors.__getitem__)
    head.fit(tokens, targets, best)
    reports = {}
    for split, loader in loaders.items():
        loop.dataloader = loader
        runner.test()
        report = collect_reports(loop.evaluator.metrics)
        reports[split] = {'penalty': best, **report}
    return reports
