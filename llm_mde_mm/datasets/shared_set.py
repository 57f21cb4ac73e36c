"""A set that a data set and its workers share."""

from collections.abc import Iterable

import torch


class SharedSet:
    """Which of some keys were marked, in this process or in a worker.

    The marks lie in shared memory, so that workers of any start method see
    each other's, also those of an epoch before.

    Args:
        keys: All that may be marked.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        self._places = {key: i for i, key in enumerate(dict.fromkeys(keys))}
        self._marks = torch.zeros(len(self._places), dtype=torch.bool)
        self._marks.share_memory_()

    def add(self, key: str) -> None:
        """Mark a key."""
        self._marks[self._places[key]] = True

    def __contains__(self, key: str) -> bool:
        return bool(self._marks[self._places[key]])

    def __len__(self) -> int:
        return int(self._marks.sum())
