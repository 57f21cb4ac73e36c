"""Pictures a second that a config's training data give."""

import hashlib
import itertools
import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner
from mmseg.registry import DATASETS

from llm_mde_mm.datasets.chosen import ChosenDataset
from llm_mde_mm.datasets.seeded import SeededDataset
from llm_mde_mm.utils.errors import ConfigError

_CACHE_MB = 1024


def benchmark_data(
    cfg: Config, workers: Sequence[int] = (), rounds: int = 5, num: int = 32
) -> dict[str, Any]:
    """Measure the training data of a config.

    Files come from the operating system's cache, as in every epoch but the
    first. What is compared is timed in turn on the same pictures, and
    medians count.

    Args:
        cfg: The whole config.
        workers: Numbers of loader processes to time as well.
        rounds: How often each is timed.
        num: Pictures a round.

    Returns:
        ``pictures_per_s`` of one process without a cache; ``steps``, each
        step's share of the pipeline's time; ``loaders``, pictures a second
        by number of processes, with the cache that the config has; and for
        data of files ``cached_ratio`` and ``hashing_ratio``: the time with
        each picture's first steps kept, and that to hash its files, over the
        time without either.

    Raises:
        ConfigError: The config has no training data, or such as joins or
            repeats others; or a count is too low.
    """
    if min(rounds, num) < 1 or any(count < 0 for count in workers):
        raise ConfigError('rounds and pictures must be 1 or more, workers 0')
    loader = cfg.get('train_dataloader')
    if not loader:
        raise ConfigError('the config has no train_dataloader')
    dataset = DATASETS.build(loader.dataset)
    if not hasattr(dataset, 'pipeline'):
        raise ConfigError(
            f'train_dataloader.dataset is a {type(dataset).__name__}, whose '
            'steps are those of others: give one of these'
        )
    jobs: dict[str, Callable] = {}
    if isinstance(dataset, ChosenDataset):
        settings = dict(loader.dataset, check_hashes=False)
        dataset = DATASETS.build(dict(settings, cache_mb=0))
        kept = DATASETS.build(dict(settings, cache_mb=_CACHE_MB))
        jobs['cached'] = _pass(kept, num)
        jobs['hashing'] = _hashing(dataset, num)
    jobs['plain'] = _pass(dataset, num)
    seconds = _in_turn(jobs, rounds)
    result: dict[str, Any] = dict(pictures_per_s=num / seconds['plain'])
    for name in set(seconds) - {'plain'}:
        result[f'{name}_ratio'] = seconds[name] / seconds['plain']
    result['steps'] = _shares(dataset, num)
    result['loaders'] = {
        count: _loader_rate(loader, count, rounds * num) for count in workers
    }
    return result


def workers_needed(consumption: float, pictures_per_s: float) -> int:
    """Return how many loader processes keep a training step supplied.

    Args:
        consumption: Pictures a second that the step takes.
        pictures_per_s: What one process gives.
    """
    return math.ceil(consumption / pictures_per_s)


def _pass(dataset: Any, num: int) -> Callable[[], None]:
    """One pass over the first pictures, with an epoch's draws."""
    if isinstance(dataset, SeededDataset):
        dataset.set_epoch(0, 0)

    def run() -> None:
        for i in range(num):
            dataset[i % len(dataset)]

    return run


def _hashing(dataset: Any, num: int) -> Callable[[], None]:
    """Hashing the files of as many pictures."""
    items = [dataset.get_data_info(i % len(dataset)) for i in range(num)]
    files = [
        Path(item[key]).read_bytes()
        for item in items
        for key in ('img_path', 'depth_map_path')
    ]

    def run() -> None:
        for data in files:
            hashlib.sha256(data).hexdigest()

    return run


def _in_turn(jobs: dict[str, Callable], rounds: int) -> dict[str, float]:
    """Return the median seconds of each job, after a first run of each."""
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for round_ in range(rounds + 1):
        for name, job in jobs.items():
            start = time.perf_counter()
            job()
            if round_:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(series) for name, series in times.items()}


def _shares(dataset: Any, num: int) -> dict[str, float]:
    """Return each step's share of the pipeline's time."""
    steps = list(dataset.pipeline.transforms)
    seconds = [0.0] * len(steps)
    for i in range(num):
        item = dataset.get_data_info(i % len(dataset))
        for place, step in enumerate(steps):
            start = time.perf_counter()
            item = step(item)
            seconds[place] += time.perf_counter() - start
    return {
        f'{place} {type(step).__name__}': spent / sum(seconds)
        for place, (step, spent) in enumerate(
            zip(steps, seconds, strict=True), 1
        )
    }


def _loader_rate(loader: Any, workers: int, num: int) -> float:
    """Return the pictures a second of the config's loader."""
    settings = dict(
        loader,
        num_workers=workers,
        persistent_workers=workers > 0,
        prefetch_factor=2 if workers else None,
    )
    batches: Any = Runner.build_dataloader(settings, seed=0)
    stream = _endless(batches)
    size = math.ceil(len(batches.dataset) / batches.batch_size)
    for _ in itertools.islice(stream, size):  # processes start, caches fill
        pass
    loaded = 0
    start = time.perf_counter()
    while loaded < num:
        loaded += len(next(stream)['inputs'])
    return loaded / (time.perf_counter() - start)


def _endless(batches: Any) -> Iterator[dict]:
    """Batches of one epoch after another, or of a sampler without end."""
    for epoch in itertools.count():
        if hasattr(batches.sampler, 'set_epoch'):
            batches.sampler.set_epoch(epoch)
        yield from batches
