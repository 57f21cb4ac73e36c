"""What a runner does alike, be the model in one piece or spread."""

import copy
import time
from collections import Counter
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import mmengine
from mmengine.config import Config
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.runner import BaseLoop
from torch import nn

from llm_mde_mm.evaluation import MonocularDepthMetric
from llm_mde_mm.utils.errors import ConfigError
from llm_mde_mm.utils.frozen_base import pretrained_parts
from llm_mde_mm.utils.seeding import share_seed
from llm_mde_mm.utils.settings import (
    check_settings,
    other_settings,
    settings_text,
)
from llm_mde_mm.utils.versions import package_versions

from .gradients import bare_model
from .resume_run import resume_run


class CommonRunner:
    """Goes before MMEngine's runner in the bases of ours.

    ``randomness.seed`` also draws the subsets that have no seed of their own.
    """

    # MMEngine's runner has these.
    model: Any
    cfg: Any
    checkpoint_content: Any

    @classmethod
    def from_cfg(cls, cfg: Config | dict) -> Self:
        """Build the runner of a config.

        Args:
            cfg (Config | dict): The whole config; left as it is.
        """
        cfg = copy.deepcopy(cfg)
        share_seed(cfg)
        parent: Any = super()
        return parent.from_cfg(cfg)

    @property
    def bare_model(self) -> nn.Module:
        """The model without its wrapper for several processes."""
        return bare_model(self)  # type: ignore[arg-type]

    @cached_property
    def config_texts(self) -> dict[str, str]:
        """What checkpoints say of the config: ``cfg`` and ``settings``."""
        # Formatting it takes longer than writing a small checkpoint.
        return dict(cfg=self.cfg.pretty_text, settings=settings_text(self.cfg))

    def checkpoint_meta(self, meta: dict | None, by_epoch: bool) -> dict:
        """What a checkpoint says of its run.

        Args:
            meta (dict | None): What a hook gives; its epoch and iteration
                hold.
            by_epoch (bool): Whether an epoch or an iteration is at its end.
        """
        runner: Any = self
        # An epoch's end is saved before MMEngine counts it.
        counts = dict(
            epoch=runner.epoch + by_epoch, iter=runner.iter + (not by_epoch)
        )
        known = dict(
            self.config_texts,
            seed=runner.seed,
            experiment_name=runner.experiment_name,
            time=time.strftime('%Y%m%d_%H%M%S'),
            mmengine_version=mmengine.__version__,
            versions=package_versions(),
            pretrained=pretrained_parts(self.bare_model),
            content=self.checkpoint_content,
        )
        dataset: Any = runner.train_dataloader.dataset
        if hasattr(dataset, 'metainfo'):
            known['dataset_meta'] = dataset.metainfo
        return {**counts, **(meta or {}), **known}

    def compare_settings(self, meta: dict, path: str | Path) -> None:
        """Refuse a checkpoint's other settings; a training may start there.

        Args:
            meta (dict): The checkpoint's.
            path (str | Path): Its file, for errors.

        Raises:
            WeightsError: If they differ and the run goes on from it, or only
                tests.
        """
        runner: Any = self
        if runner._resume or not isinstance(runner._train_loop, BaseLoop):
            check_settings(meta, path, self.cfg, resume=runner._resume)
            return
        found = '; '.join(other_settings(meta, path, self.cfg))
        if found:
            runner.logger.warning(
                f'{path} was trained with other settings (key: its value, '
                f'the one here): {found}'
            )

    def build_evaluator(self, evaluator: Any) -> Evaluator:
        """Build the metrics, whose scores must be told apart.

        What several processes scored is gathered in the run's log folder,
        where MMEngine takes the working folder, which may be read-only.

        Args:
            evaluator (Any): MMEngine's config of metrics.

        Returns:
            Evaluator: Of the metrics.

        Raises:
            ConfigError: If two depth metrics share a prefix.
        """
        parent: Any = super()
        built = parent.build_evaluator(evaluator)
        check_prefixes(built.metrics)
        for metric in built.metrics:
            if metric.collect_device == 'cpu' and metric.collect_dir is None:
                metric.collect_dir = str(Path(parent.log_dir) / 'collected')
        return built

    def load_or_resume(self) -> None:
        """Do what the config's ``load_from`` and ``resume`` say, once.

        Raises:
            WeightsError: If the checkpoint does not serve, or every one of
                the run is damaged.
        """
        if not resume_run(self):
            parent: Any = super()
            parent.load_or_resume()


def check_prefixes(metrics: Iterable[BaseMetric]) -> None:
    """Refuse depth metrics whose scores would have the same names.

    MMEngine finds out when all pictures are scored.

    Args:
        metrics (Iterable[BaseMetric]): Those of an evaluator.

    Raises:
        ConfigError: If two depth metrics share a prefix.
    """
    prefixes = Counter(
        metric.prefix
        for metric in metrics
        if isinstance(metric, MonocularDepthMetric)
    )
    for prefix, number in prefixes.items():
        if number > 1:
            raise ConfigError(
                f'{number} MonocularDepthMetric of an evaluator have the '
                f'prefix {prefix!r}, so that their scores share names: give '
                "each its own, such as prefix='midas'"
            )
