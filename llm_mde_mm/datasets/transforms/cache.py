"""The first steps of a pipeline, done once a picture."""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from llm_mde_mm.utils.errors import ConfigError

_MB = 1 << 20


class CachedSteps:
    """Steps without random draws, whose outcome is kept in memory.

    What comes out is equal to what the steps give, and its arrays belong to
    the caller. Each process keeps its own; once ``limit_mb`` is reached,
    further pictures are read as without a cache.

    Args:
        steps: What to do with an item, in this order.
        limit_mb: Most that the kept arrays may take, in MB (2**20 bytes).
    """

    def __init__(self, steps: Sequence[Callable], limit_mb: float) -> None:
        self.steps = list(steps)
        self.limit_mb = limit_mb
        self.kept_bytes = 0
        self._kept: dict[str, dict[str, Any]] = {}

    def __call__(self, item: dict) -> dict:
        """Do the steps, or give what they gave for this picture."""
        key = item['img_path']
        if key in self._kept:
            return {**item, **copy.deepcopy(self._kept[key])}
        done = dict(item)
        for step in self.steps:
            done = step(done)
        added = {
            name: value
            for name, value in done.items()
            if name not in item or value is not item[name]
        }
        size = sum(
            value.nbytes
            for value in added.values()
            if isinstance(value, np.ndarray)
        )
        if self.kept_bytes + size <= self.limit_mb * _MB:
            self.kept_bytes += size
            self._kept[key] = copy.deepcopy(added)
        return done

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.steps}, {self.limit_mb} MB)'


def with_cache(steps: Sequence[Callable], limit_mb: float) -> list[Callable]:
    """Return a pipeline whose steps up to the first random one are cached.

    A step is without random draws if it says so by ``deterministic = True``.

    Args:
        steps: The steps of the whole pipeline.
        limit_mb: See :class:`CachedSteps`.

    Raises:
        ConfigError: The first step is random, so that nothing can be kept.
    """
    first = 0
    while first < len(steps) and getattr(steps[first], 'deterministic', False):
        first += 1
    if steps and not first:
        raise ConfigError(
            'cache_mb: the first step of the pipeline is not known to be '
            'without random draws, so nothing can be kept; put the steps with '
            'deterministic = True first, such as LoadPicture, LoadDepth and '
            'ResizePair'
        )
    return [CachedSteps(steps[:first], limit_mb), *steps[first:]]
