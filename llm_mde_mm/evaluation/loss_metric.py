"""The training loss on the validation set, as a metric."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from mmengine.evaluator import BaseMetric
from mmseg.registry import METRICS

from llm_mde_mm.utils.errors import DataError


@METRICS.register_module()
class ValidationLoss(BaseMetric):
    """Mean over pictures of the losses that the model's ``val_step`` leaves.

    MMEngine's ``ValLoop`` computes no loss for a depth estimator. A model
    that puts ``val_loss``, a dict of floats, into each data sample gives
    this metric what early stopping on the validation loss reads. The metric
    has no prefix: its total is named ``loss``.

    Args:
        collect_device (str): Where MMEngine gathers the results of several
            processes, ``'cpu'`` or ``'gpu'``. Defaults to ``'cpu'``.
        collect_dir (str, optional): Shared folder for ``'cpu'``. Defaults to
            one in the run's log folder.
    """

    # Not None, which BaseMetric takes for a forgotten prefix.
    default_prefix = ''

    def __init__(
        self, collect_device: str = 'cpu', collect_dir: str | None = None
    ) -> None:
        super().__init__(
            collect_device=collect_device, collect_dir=collect_dir
        )

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep the loss terms of each picture.

        Args:
            data_batch (Any): Not read.
            data_samples (Sequence[dict]): Data samples; ``val_loss`` maps
                each term's name, which begins with ``loss``, to its value.
                A picture where it is missing or None is left out.

        Raises:
            ValueError: If a term's name does not begin with ``loss`` or is
                ``loss``, the name of the total.
        """
        for data_sample in data_samples:
            terms = data_sample.get('val_loss') or {}
            for name in terms:
                if not name.startswith('loss') or name == 'loss':
                    raise ValueError(
                        'the terms of val_loss must be named loss_<something>'
                        f', got {name!r}'
                    )
            # A picture without losses keeps its place: dropping the padding
            # of an uneven last batch counts entries, and skips None.
            self.results.append({k: float(v) for k, v in terms.items()})

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Average every term over the pictures that carry it.

        Args:
            results (list[dict[str, float]]): One dict a picture.

        Returns:
            dict[str, float]: ``loss``, the sum of the terms' means, and each
            term's mean under its own name.

        Raises:
            DataError: If no picture carries a loss.
        """
        values = defaultdict(list)
        for terms in results:
            for name, value in terms.items():
                values[name].append(value)
        if not values:
            raise DataError(
                'ValidationLoss has no picture with a loss: none has a pixel '
                "with a measurement, or the model's val_step, unlike that of "
                'LLMDepthEstimator, leaves no val_loss'
            )
        means = {k: sum(v) / len(v) for k, v in values.items()}
        return {'loss': sum(means.values()), **means}
