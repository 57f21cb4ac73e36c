"""How the benchmark measures: clocks, shares of parts, memory."""

import gc
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

# The parts whose shares are told, where the estimator has them.
PARTS = (
    'data_preprocessor',
    'backbone.vision',
    'backbone.prototypes',
    'backbone.reprogramming',
    'backbone.prompt',
    'backbone.language',
    'neck',
    'decode_head',
)


def count_parameters(model: nn.Module, trained: bool) -> int:
    """Parameters, all or those that are trained."""
    return sum(
        p.numel() for p in model.parameters() if p.requires_grad or not trained
    )


def _wait(device: torch.device) -> None:
    if device.type == 'cuda':
        torch.cuda.synchronize()


def interleaved(
    jobs: list[Callable], repeats: int, device: torch.device
) -> list[list[float]]:
    """Seconds of each job, the jobs in turn."""
    times: list[list[float]] = [[] for _ in jobs]
    for _ in range(repeats):
        for job, series in zip(jobs, times, strict=True):
            gc.collect()
            _wait(device)
            start = time.perf_counter()
            job()
            _wait(device)
            series.append(time.perf_counter() - start)
    return times


@contextmanager
def _clocked(
    module: nn.Module, seconds: dict, name: str, device: torch.device
) -> Iterator[None]:
    """Add up the time that a module's calls take."""
    starts: list[float] = []

    def before(*_: Any) -> None:
        _wait(device)
        starts.append(time.perf_counter())

    def after(*_: Any) -> None:
        _wait(device)
        spent = time.perf_counter() - starts.pop()
        seconds[name] = seconds.get(name, 0.0) + spent

    handles = [
        module.register_forward_pre_hook(before),
        module.register_forward_hook(after),
    ]
    yield
    for handle in handles:
        handle.remove()


def part_shares(
    model: nn.Module, job: Callable, device: torch.device
) -> dict[str, float]:
    """Share of the time in each part's forward pass, and in all the rest.

    In training the rest is mainly the backward pass and the optimizer.
    """
    modules = dict(model.named_modules())
    parts = {name: modules[name] for name in PARTS if name in modules}
    seconds = dict.fromkeys(parts, 0.0)
    with ExitStack() as clocks:
        for name, part in parts.items():
            clocks.enter_context(_clocked(part, seconds, name, device))
        _wait(device)
        start = time.perf_counter()
        job()
        _wait(device)
        total = time.perf_counter() - start
    shares = {name: spent / total for name, spent in seconds.items()}
    shares['rest'] = 1 - sum(shares.values())
    return shares


def reset_peak_memory(device: torch.device) -> None:
    """Begin anew with what is in use."""
    gc.collect()
    if device.type == 'cuda':
        torch.cuda.reset_peak_memory_stats()
    elif Path('/proc/self/clear_refs').exists():
        Path('/proc/self/clear_refs').write_text('5')


def peak_memory(device: torch.device) -> int:
    """Peak bytes: of the device, or on a CPU of this process."""
    if device.type == 'cuda':
        return torch.cuda.max_memory_allocated()
    status = Path('/proc/self/status')
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith('VmHWM'):
                return int(line.split()[1]) * 1024
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == 'darwin' else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
