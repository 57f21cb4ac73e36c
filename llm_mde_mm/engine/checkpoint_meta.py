"""What a checkpoint says of the run that wrote it."""

import time
from typing import Any

import mmengine

from llm_mde_mm.utils.frozen_base import pretrained_parts
from llm_mde_mm.utils.versions import package_versions


def checkpoint_meta(runner: Any, meta: dict, by_epoch: bool) -> dict:
    """Add to a checkpoint's ``meta`` what the runner knows.

    Args:
        runner (CheckpointRunner): The runner.
        meta (dict): What a hook gives; changed in place.
        by_epoch (bool): Whether an epoch or an iteration is at its end.
    """
    # An epoch's end is saved before MMEngine counts it.
    meta.setdefault('epoch', runner.epoch + by_epoch)
    meta.setdefault('iter', runner.iter + (not by_epoch))
    meta.update(
        runner.config_texts,
        seed=runner.seed,
        experiment_name=runner.experiment_name,
        time=time.strftime('%Y%m%d_%H%M%S'),
        mmengine_version=mmengine.__version__,
        versions=package_versions(),
        pretrained=pretrained_parts(runner.bare_model),
        content=runner.checkpoint_content,
    )
    dataset: Any = runner.train_dataloader.dataset
    if hasattr(dataset, 'metainfo'):
        meta['dataset_meta'] = dataset.metainfo
    return meta
