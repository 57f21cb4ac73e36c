"""Speed and memory of a model, beside those of its two bare backbones."""

import gc
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from llm_mde_mm.models.adapters import merge_adapters
from llm_mde_mm.utils.errors import ConfigError

from .depth_inferencer import DTYPES, array_item, picture_pipeline

# The parts whose shares are told; attributes of the estimator.
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


class Settings(NamedTuple):
    """What is measured.

    Attributes:
        picture_size (tuple[int, int]): Height and width of the pictures that
            come in, and of the depth that goes out, in pixels.
        batch_size (int): Pictures at once.
        dtype (str): 'fp32', 'bf16' or 'fp16'. To predict, the weights are
            cast once; to train, the forward pass runs under autocast.
        compile (bool): Compile the parts by ``torch.compile``.
        train (bool): A training step, optimizer included, in place of a
            prediction.
        repeats (int): How often each is timed.
    """

    picture_size: tuple[int, int] = (480, 640)
    batch_size: int = 8
    dtype: str = 'fp32'
    compile: bool = False
    train: bool = False
    repeats: int = 7


def benchmark(cfg: Config, settings: Settings, floor: bool = False) -> dict:
    """Measure a config's model on random pictures.

    Args:
        cfg (Config): The whole config; weights as it names them.
        settings (Settings): What is measured.
        floor (bool): Also time the bare vision model and the bare language
            model, all blocks and layers, on sequences of the same length and
            mask, in turn with the model itself.

    Returns:
        dict: ``latency_p50_s`` and ``latency_p95_s`` of a batch,
        ``images_per_s``, ``peak_memory_bytes`` (of the device, or on a CPU
        of the process), ``params``, ``trained_params``, ``flops`` of a batch,
        ``parts`` (shares of the time, not compiled), and with ``floor``
        ``floor_latency_p50_s`` and ``floor_ratio``.

    Raises:
        ConfigError: If a setting is out of range.
    """
    _check(settings)
    device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    _reset_peak_memory(device)
    model = MODELS.build(cfg.model).to(device)
    make = _training_job if settings.train else _prediction_job
    job = make(model, cfg, settings, device)
    job()
    with FlopCounterMode(display=False) as counter:
        job()
    shares = _shares(model, job, device)
    if settings.compile:
        _compile(model)
        job()
    job()
    memory = _peak_memory(device)
    jobs = [job]
    if floor:
        jobs.append(_floor_job(model, cfg, settings, device))
        jobs[1]()
    times = _interleaved(jobs, settings.repeats, device)
    middle = [statistics.median(series) for series in times]
    result: dict = dict(
        latency_p50_s=middle[0],
        latency_p95_s=float(np.quantile(times[0], 0.95)),
        images_per_s=settings.batch_size / middle[0],
        peak_memory_bytes=memory,
        params=_count(model, False),
        trained_params=_count(model, True),
        flops=counter.get_total_flops(),
        parts=shares,
    )
    if floor:
        result['floor_latency_p50_s'] = middle[1]
        result['floor_ratio'] = middle[0] / middle[1]
    return result


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


def _count(model: nn.Module, trained: bool) -> int:
    return sum(
        p.numel() for p in model.parameters() if p.requires_grad or not trained
    )


def _arrays(settings: Settings) -> list[dict]:
    draw = np.random.default_rng(0)
    height, width = settings.picture_size
    return [
        array_item(draw.integers(0, 256, (height, width, 3), np.uint8), i)
        for i in range(settings.batch_size)
    ]


def _prediction_job(
    model: Any, cfg: Config, settings: Settings, device: torch.device
) -> Callable[[], Any]:
    """uint8 pictures in, float32 depth of their size out."""
    model.eval()
    merge_adapters(model)
    model.to(DTYPES[settings.dtype])
    pipeline = picture_pipeline(cfg)
    items = _arrays(settings)

    @torch.no_grad()
    def job() -> list[np.ndarray]:
        batch = [pipeline(dict(item)) for item in items]
        samples = model.test_step(pseudo_collate(batch))
        return [s.pred_depth_map.data.float().cpu().numpy() for s in samples]

    return job


def _training_job(
    model: Any, cfg: Config, settings: Settings, device: torch.device
) -> Callable[[], Any]:
    """A step on a batch that is loaded already."""
    model.train()
    pipeline = picture_pipeline(cfg)
    batch = []
    for item in _arrays(settings):
        packed = pipeline(item)
        depth = torch.rand(1, *packed['inputs'].shape[-2:]) * 9 + 0.5
        sample: SegDataSample = packed['data_samples']
        sample.gt_depth_map = PixelData(data=depth)
        batch.append(packed)
    optimizer = _optimizer(model, cfg)

    def job() -> None:
        data = model.data_preprocessor(pseudo_collate(batch), True)
        with _autocast(settings, device):
            losses = model(**data, mode='loss')
            loss, _ = model.parse_losses(losses)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return job


def _floor_job(
    model: Any, cfg: Config, settings: Settings, device: torch.device
) -> Callable[[], Any]:
    """The bare vision model, then the bare language model."""
    parts: Mapping = cfg.model.backbone
    how = {} if settings.train else dict(finetune='frozen', lora=None)
    vision = MODELS.build({**parts['vision'], 'blocks': -1, **how}).to(device)
    language = MODELS.build(
        {**parts['language'], 'num_layers': None, 'control': None, **how}
    ).to(device)
    height, width = vision.img_size
    size = settings.batch_size
    pictures = torch.randn(size, 3, height, width, device=device)
    patches = vision.grid_size[0] * vision.grid_size[1]
    prompt: Any = model.backbone.prompt
    words = language.word_embeddings.shape[1]
    tokens = torch.randn(size, prompt.length + patches, words, device=device)
    mask = None
    if prompt.is_padded:
        mask = torch.ones(tokens.shape[:2], dtype=torch.bool, device=device)
        mask[:, 0] = False
    both = nn.ModuleList([vision, language]).train(settings.train)
    if settings.train:
        optimizer = _optimizer(both, cfg)
    else:
        dtype = DTYPES[settings.dtype]
        both.to(dtype)
        pictures, tokens = pictures.to(dtype), tokens.to(dtype)
    if settings.compile:
        vision.compile()
        language.compile()

    def train() -> None:
        with _autocast(settings, device):
            loss = vision(pictures)[-1].float().square().mean()
            loss = loss + language(tokens, mask).float().square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    @torch.no_grad()
    def predict() -> tuple[Tensor, Tensor]:
        return vision(pictures)[-1], language(tokens, mask)

    return train if settings.train else predict


def _optimizer(model: nn.Module, cfg: Config) -> torch.optim.Optimizer:
    settings = dict(cfg.optim_wrapper.optimizer)
    kind = getattr(torch.optim, settings.pop('type'))
    trained = [p for p in model.parameters() if p.requires_grad]
    return kind(trained, **settings)


def _autocast(settings: Settings, device: torch.device) -> Any:
    dtype = DTYPES[settings.dtype]
    return torch.autocast(
        device.type, torch.bfloat16, enabled=dtype != torch.float32
    )


def _compile(model: Any) -> None:
    if not model.training:
        # The compiled pass reads the prototypes that an eager one left.
        with torch.no_grad():
            model.backbone.keys_values()
    for part in (model.backbone, model.neck, model.decode_head):
        part.compile()


def _wait(device: torch.device) -> None:
    if device.type == 'cuda':
        torch.cuda.synchronize()


def _interleaved(
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


def _shares(
    model: nn.Module, job: Callable, device: torch.device
) -> dict[str, float]:
    """Share of the time in each part's forward pass, and in all the rest.

    In training the rest is mainly the backward pass and the optimizer.
    """
    seconds: dict[str, float] = {}
    with ExitStack() as clocks:
        for name in PARTS:
            part = model.get_submodule(name)
            clocks.enter_context(_clocked(part, seconds, name, device))
        _wait(device)
        start = time.perf_counter()
        job()
        _wait(device)
        total = time.perf_counter() - start
    shares = {name: seconds.get(name, 0.0) / total for name in PARTS}
    shares['rest'] = 1 - sum(shares.values())
    return shares


def _reset_peak_memory(device: torch.device) -> None:
    if device.type == 'cuda':
        torch.cuda.reset_peak_memory_stats()
    elif Path('/proc/self/clear_refs').exists():
        Path('/proc/self/clear_refs').write_text('5')


def _peak_memory(device: torch.device) -> int:
    """Peak bytes: of the device, or on a CPU of this process."""
    if device.type == 'cuda':
        return torch.cuda.max_memory_allocated()
    status = Path('/proc/self/status')
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith('VmHWM'):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
