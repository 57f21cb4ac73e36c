"""Augmentation as a function of seed, epoch and picture."""

from collections.abc import Iterator
from contextlib import nullcontext
from itertools import islice
from typing import Any

import torch
from mmengine.dataset import BaseDataset, ConcatDataset, DefaultSampler
from mmseg.registry import DATA_SAMPLERS

from llm_mde_mm.utils.seeding import seeded


class SeededDataset(BaseDataset):
    """A data set whose random transforms draw by (seed, epoch, index).

    Once :meth:`set_epoch` was called, as :class:`SeededSampler` does, an
    item's draws are fresh in each epoch and the same whatever the number of
    workers and processes. Before that, and where ``test_mode`` is on, the
    transforms draw from the process's own random state, as in MMEngine.

    Args:
        **kwargs: Those of mmengine's ``BaseDataset``.
    """

    def __init__(self, **kwargs: Any) -> None:
        # Shared with the workers, which outlive an epoch where they persist.
        self._key = torch.full((2,), -1).share_memory_()
        super().__init__(**kwargs)

    def set_epoch(self, seed: int, epoch: int) -> None:
        """Name the draws of the epoch that begins.

        Args:
            seed (int): Seed of the run.
            epoch (int): Number of the epoch, from 0.
        """
        self._key.copy_(torch.tensor([seed, epoch]))

    def prepare_data(self, idx: int) -> Any:
        """Run the pipeline on one item."""
        seed, epoch = self._key.tolist()
        if self.test_mode or epoch < 0:
            context: Any = nullcontext()
        else:
            context = seeded(seed, epoch, idx)
        with context:
            return super().prepare_data(idx)


@DATA_SAMPLERS.register_module()
class SeededSampler(DefaultSampler):
    """MMEngine's sampler, which also tells the data set seed and epoch.

    A ``ConcatDataset`` passes them on. Behind a wrapper that repeats
    pictures they are withheld, as all repeats of an epoch would be alike.

    Args:
        *args: Those of mmengine's ``DefaultSampler``.
        **kwargs: Likewise.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._start = 0

    def start_at(self, index: int) -> None:
        """Leave out the first indices of the next pass, and of that alone.

        The length stays that of a whole pass.

        Args:
            index (int): How many indices of this process to leave out.
        """
        self._start = index

    def __iter__(self) -> Iterator[int]:
        """Indices of this process, in this epoch's order."""
        start, self._start = self._start, 0
        datasets = [self.dataset]
        while datasets:
            dataset: Any = datasets.pop()
            if isinstance(dataset, ConcatDataset):
                datasets += dataset.datasets
            elif isinstance(dataset, SeededDataset):
                dataset.set_epoch(self.seed, self.epoch)
        return islice(super().__iter__(), start, None)
