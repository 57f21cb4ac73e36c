"""Speed and memory of a model, beside those of its two bare backbones."""

import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmseg.registry import MODELS
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from llm_mde_mm.models.adapters import merge_adapters
from llm_mde_mm.utils.checkpoint import find_checkpoint, load_model
from llm_mde_mm.utils.errors import ConfigError

from .benchmark_jobs import (
    Settings,
    compile_parts,
    floor_job,
    prediction_job,
    training_job,
)
from .benchmark_meters import (
    count_parameters,
    interleaved,
    part_shares,
    peak_memory,
    reset_peak_memory,
)
from .depth_inferencer import DTYPES

__all__ = ['Settings', 'benchmark']


def benchmark(cfg: Config, settings: Settings, floor: bool = False) -> dict:
    """Measure a config's model.

    On a CPU a prediction is timed from pictures to depth of their size. On a
    GPU it starts from pictures that are resized already and ends with depth
    on the device: the host's work would hide what the GPU does.

    Args:
        cfg (Config): The whole config; weights as it names them.
        settings (Settings): What is measured.
        floor (bool): Also time the bare vision model and, where there is
            one, the bare language model, all blocks and layers, on sequences
            of the same length and mask, in turn with the model itself.

    Returns:
        dict: ``device``, ``resizing_timed``, ``latency_p50_s`` and
        ``latency_p95_s`` of a batch, ``images_per_s``, ``peak_memory_bytes``
        (of the device, or on a CPU of the process), ``params``,
        ``trained_params``, ``flops`` of a batch, ``parts`` (shares of the
        time, not compiled); with ``floor`` ``floor_latency_p50_s`` and
        ``floor_ratio``; of a prediction in another dtype than fp32
        ``dtype_difference``, the median over all pixels of how much depth
        differs from that in fp32, relative to it.

    Raises:
        ConfigError: If a setting is out of range.
        DataError: If there are no pictures where ``settings`` says.
        WeightsError: If weights or checkpoint cannot be loaded.
    """
    _check(settings)
    device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    model = MODELS.build(cfg.model)
    if settings.checkpoint is not None:
        load_model(model, find_checkpoint(settings.checkpoint), cfg)
    model.to(device)
    known = dict(
        params=count_parameters(model, False),
        trained_params=count_parameters(model, True),
    )
    job, difference = _job(model, cfg, settings, device)
    figures = _figures(model, job, cfg, settings, device, floor)
    return {**figures, **known, **difference}


def _job(
    model: Any, cfg: Config, settings: Settings, device: torch.device
) -> tuple[Callable, dict]:
    """What is timed, and by how much the dtype changes its outcome."""
    if settings.train:
        return training_job(model, cfg, settings), {}
    model.eval()
    merge_adapters(model)
    job = prediction_job(model, cfg, settings, device.type == 'cuda')
    if settings.dtype == 'fp32':
        return job, {}
    exact = job()
    model.to(DTYPES[settings.dtype])
    difference = _median_difference(job(), exact)
    return job, dict(dtype_difference=difference)


def _median_difference(depth: list[Tensor], exact: list[Tensor]) -> float:
    ours, theirs = (torch.stack(d).double().cpu() for d in (depth, exact))
    return float(np.median((ours / theirs - 1).abs().numpy()))


def _figures(
    model: Any,
    job: Callable,
    cfg: Config,
    settings: Settings,
    device: torch.device,
    floor: bool,
) -> dict:
    """Everything that is measured by running the job."""
    # Loading and another dtype's comparison are not the job's.
    reset_peak_memory(device)
    job()
    job()
    # Before the counters, which keep tensors of their own.
    memory = peak_memory(device)
    with FlopCounterMode(display=False) as counter:
        job()
    shares = part_shares(model, job, device)
    if settings.compile:
        compile_parts(model)
        reset_peak_memory(device)
        job()
        job()
        memory = peak_memory(device)
    jobs = [job]
    if floor:
        jobs.append(floor_job(model, cfg, settings, device))
        jobs[1]()
    on_gpu = device.type == 'cuda'
    return dict(
        device=torch.cuda.get_device_name() if on_gpu else 'cpu',
        resizing_timed=not (on_gpu or settings.train),
        peak_memory_bytes=memory,
        flops=counter.get_total_flops(),
        parts=shares,
        **_latencies(jobs, settings, device),
    )


def _latencies(
    jobs: list[Callable], settings: Settings, device: torch.device
) -> dict[str, float]:
    """Of the model and, where it is the second job, of the floor."""
    times = interleaved(jobs, settings.repeats, device)
    middle = [statistics.median(series) for series in times]
    figures = dict(
        latency_p50_s=middle[0],
        latency_p95_s=float(np.quantile(times[0], 0.95)),
        images_per_s=settings.batch_size / middle[0],
    )
    if len(middle) > 1:
        figures['floor_latency_p50_s'] = middle[1]
        figures['floor_ratio'] = middle[0] / middle[1]
    return figures


def _check(settings: Settings) -> None:
    if settings.dtype not in DTYPES:
        raise ConfigError(
            f'dtype is {settings.dtype!r}; it is one of ' + ', '.join(DTYPES)
        )
    if settings.train and settings.dtype == 'fp16':
        raise ConfigError('training in fp16 is not measured: take bf16')
    for name in ('batch_size', 'repeats'):
        if getattr(settings, name) < 1:
            raise ConfigError(f'{name} is {getattr(settings, name)}: give 1')
    if min(settings.picture_size) < 1:
        raise ConfigError(f'the pictures have no pixels: {settings[0]}')
