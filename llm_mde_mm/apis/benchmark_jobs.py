"""What the benchmark times: the model, and its bare backbones as the floor."""

from collections.abc import Callable, Mapping
from itertools import cycle, islice
from typing import Any, NamedTuple

import mmcv
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from llm_mde_mm.utils.errors import ConfigError

from .depth_inferencer import DTYPES
from .picture_inputs import (
    array_item,
    file_item,
    picture_files,
    picture_pipeline,
)

# Arguments of MMEngine's wrappers for fp16, which the two used here lack.
_FP16_KEYS = ('loss_scale', 'dtype', 'use_fsdp')


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
        pictures (str | None): A picture or a folder of them, repeated if
            they are too few, in place of random ones.
        checkpoint (str | None): Trained weights, or a run's folder.
    """

    picture_size: tuple[int, int] = (480, 640)
    batch_size: int = 8
    dtype: str = 'fp32'
    compile: bool = False
    train: bool = False
    repeats: int = 7
    pictures: str | None = None
    checkpoint: str | None = None


def _items(settings: Settings) -> list[dict]:
    """Pictures of the asked size, as a pipeline takes them."""
    draw = np.random.default_rng(0)
    height, width = settings.picture_size
    count = settings.batch_size
    if settings.pictures is None:
        shape = (height, width, 3)
        arrays = [draw.integers(0, 256, shape, np.uint8) for _ in range(count)]
    else:
        files = islice(cycle(picture_files(settings.pictures)), count)
        arrays = [
            mmcv.imresize(file_item(file)['img'], (width, height))
            for file in files
        ]
    return [array_item(array, i) for i, array in enumerate(arrays)]


def prediction_job(
    model: Any, cfg: Config, settings: Settings, resize_once: bool
) -> Callable[[], list[Tensor]]:
    """Predict a batch, again and again.

    Args:
        model (Any): The model, ready to predict.
        cfg (Config): The whole config.
        settings (Settings): The batch.
        resize_once (bool): Resize the pictures before, and leave depth where
            it is computed. Else both are part of the job: uint8 pictures in,
            float32 depth of their size out, on the host.

    Returns:
        Callable: Gives ``(1, H, W)`` depth in metres, one a picture.
    """
    pipeline = picture_pipeline(cfg)
    items = _items(settings)

    def prepared() -> dict:
        return pseudo_collate([pipeline(dict(item)) for item in items])

    batch = prepared() if resize_once else None

    @torch.no_grad()
    def job() -> list[Tensor]:
        samples = model.test_step(batch or prepared())
        depths = [sample.pred_depth_map.data.float() for sample in samples]
        return depths if resize_once else [depth.cpu() for depth in depths]

    return job


def training_job(
    model: Any, cfg: Config, settings: Settings
) -> Callable[[], None]:
    """A step on a batch that is loaded and resized already."""
    model.train()
    pipeline = picture_pipeline(cfg)
    batch = []
    for item in _items(settings):
        packed = pipeline(item)
        depth = torch.rand(1, *packed['inputs'].shape[-2:]) * 9 + 0.5
        sample: SegDataSample = packed['data_samples']
        sample.gt_depth_map = PixelData(data=depth)
        batch.append(packed)
    optimizer = _optimizer(model, cfg, settings)

    def job() -> None:
        with optimizer.optim_context(model):
            data = model.data_preprocessor(pseudo_collate(batch), True)
            losses = model(**data, mode='loss')
            loss, _ = model.parse_losses(losses)
        optimizer.update_params(loss)

    return job


def floor_job(
    model: Any, cfg: Config, settings: Settings, device: torch.device
) -> Callable[[], Any]:
    """The bare vision model, then the bare language model if there is one."""
    bare = _bare_backbones(cfg, settings).to(device)
    inputs = _bare_inputs(model, bare, settings, device)
    if settings.compile:
        for part in bare.values():
            part.compile()

    def states() -> list[Tensor]:
        out = [bare['vision'](*inputs['vision'])[-1]]
        if 'language' in bare:
            out.append(bare['language'](*inputs['language']))
        return out

    if not settings.train:
        return torch.no_grad()(states)
    # Under the names that the model has, which paramwise_cfg goes by.
    named = nn.ModuleDict(dict(backbone=bare))
    optimizer = _optimizer(named, cfg, settings)

    def train() -> None:
        with optimizer.optim_context(named):
            loss = sum(s.float().square().mean() for s in states())
        optimizer.update_params(loss)

    return train


def _bare_backbones(cfg: Config, settings: Settings) -> nn.ModuleDict:
    parts: Mapping = cfg.model.backbone
    how: dict = {} if settings.train else dict(finetune='frozen', lora=None)
    changes: dict[str, dict] = dict(
        vision=dict(blocks=-1), language=dict(num_layers=None, control=None)
    )
    bare = nn.ModuleDict(
        {
            name: MODELS.build({**parts[name], **change, **how})
            for name, change in changes.items()
            if name in parts
        }
    ).train(settings.train)
    return bare if settings.train else bare.to(DTYPES[settings.dtype])


def _bare_inputs(
    model: Any, bare: Any, settings: Settings, device: torch.device
) -> dict[str, tuple]:
    """As many pictures, and sequences of the same length and mask."""
    vision, size = bare['vision'], settings.batch_size
    dtype = torch.float32 if settings.train else DTYPES[settings.dtype]
    like: dict = dict(device=device, dtype=dtype)
    inputs: dict = dict(
        vision=(torch.randn(size, 3, *vision.img_size, **like),)
    )
    if 'language' in bare:
        prompt: Any = model.backbone.prompt
        length = prompt.length + vision.grid_size[0] * vision.grid_size[1]
        width = bare['language'].word_embeddings.shape[1]
        mask = None
        if prompt.is_padded:
            mask = torch.ones(size, length, dtype=torch.bool, device=device)
            mask[:, 0] = False
        words = torch.randn(size, length, width, **like)
        # In the model, what comes before the language model is trained.
        inputs['language'] = (words.requires_grad_(settings.train), mask)
    return inputs


def _optimizer(
    model: nn.Module, cfg: Config, settings: Settings
) -> OptimWrapper:
    """The config's, with its clipping and each parameter's own settings.

    Precision and processes are the benchmark's: one, in ``settings.dtype``.
    Each step is the optimizer's, whatever is accumulated in training.

    Raises:
        ConfigError: If nothing is trained.
    """
    if not any(p.requires_grad for p in model.parameters()):
        raise ConfigError('--train: nothing of this model is trained')
    wrapper = {
        key: value
        for key, value in cfg.optim_wrapper.items()
        if key not in (*_FP16_KEYS, 'accumulative_counts')
    }
    in_fp32 = settings.dtype == 'fp32'
    wrapper['type'] = 'OptimWrapper' if in_fp32 else 'BF16OptimWrapper'
    return build_optim_wrapper(model, wrapper)


def compile_parts(model: Any) -> None:
    """Compile backbone, neck and head, where there are such."""
    if not model.training and hasattr(model.backbone, 'keys_values'):
        # The compiled pass reads the prototypes that an eager one left.
        with torch.no_grad():
            model.backbone.keys_values()
    for name in ('backbone', 'neck', 'decode_head'):
        part = getattr(model, name, None)
        if part is not None:
            part.compile()
