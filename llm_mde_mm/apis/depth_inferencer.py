"""Depth of pictures, in three lines of Python."""

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from llm_mde_mm.models.adapters import merge_adapters
from llm_mde_mm.utils.checkpoint import find_checkpoint, load_model
from llm_mde_mm.utils.errors import ConfigError, WeightsError

from .launch import load_config, use_flip_tta
from .picture_inputs import picture_items, picture_pipeline
from .prediction_files import DepthPrediction

DTYPES = dict(fp32=torch.float32, bf16=torch.bfloat16, fp16=torch.float16)


class DepthInferencer:
    """Predict depth from files, folders or arrays.

    Args:
        config (str | Path | Config): A config file of this package.
        checkpoint (str | Path): A checkpoint, or a run's folder.
        device (str | None): Such as 'cuda:0' or 'cpu'; by default a GPU if
            there is one.
        dtype (str): 'fp32', 'bf16' or 'fp16': what the weights are cast to,
            once. Depth is float32 in any case.
        flip_tta (bool): Average each prediction with that of the mirrored
            picture, in twice the time.

    Raises:
        ConfigError: If there is no such config, device or dtype.
        WeightsError: If the checkpoint is missing, damaged or another
            config's.
    """

    # Weights that are made in inference mode cannot be loaded into.
    @torch.inference_mode(mode=False)
    def __init__(
        self,
        config: str | Path | Config,
        checkpoint: str | Path,
        device: str | None = None,
        dtype: str = 'fp32',
        flip_tta: bool = False,
    ) -> None:
        if dtype not in DTYPES:
            raise ConfigError(
                f'dtype is {dtype!r}; it is one of ' + ', '.join(DTYPES)
            )
        named = isinstance(config, str | Path)
        cfg: Any = load_config(str(config)) if named else config
        init_default_scope(cfg.get('default_scope', 'mmseg'))
        if flip_tta:
            cfg = copy.deepcopy(cfg)
            use_flip_tta(cfg)
        weights = find_checkpoint(checkpoint)
        self.device = _device(device)
        self.model = MODELS.build(cfg.model)
        load_model(self.model, weights, cfg)
        try:
            merge_adapters(self.model)
        except ValueError as error:
            raise WeightsError(
                f'{weights}: its adapters hold what is no number'
            ) from error
        self.model.to(self.device, DTYPES[dtype]).eval()
        self.pipeline = picture_pipeline(cfg)

    def __call__(
        self,
        inputs: str | Path | np.ndarray | Sequence,
        batch_size: int = 1,
    ) -> list[DepthPrediction]:
        """Predict all inputs.

        Args:
            inputs (str | Path | np.ndarray | Sequence): A picture file, a
                folder of pictures, an ``(H, W, 3)`` uint8 BGR array, or
                several of these.
            batch_size (int): Pictures a forward pass.

        Returns:
            list[DepthPrediction]: In the order of the inputs; a folder's by
            name.

        Raises:
            ConfigError: If the batch size is not positive.
            DataError: If a file is missing or no picture, or an array has
                another shape or dtype.
        """
        return list(self.iterate(inputs, batch_size))

    def iterate(
        self,
        inputs: str | Path | np.ndarray | Sequence,
        batch_size: int = 1,
    ) -> Iterator[DepthPrediction]:
        """The same, one picture after the other, for many of them."""
        if batch_size < 1:
            raise ConfigError(f'batch_size must be 1 or more: {batch_size}')
        batch: list[tuple[str, dict]] = []
        for name, item in picture_items(inputs):
            batch.append((name, self.pipeline(item)))
            if len(batch) == batch_size:
                yield from self._predict(batch)
                batch = []
        if batch:
            yield from self._predict(batch)

    @torch.inference_mode()
    def _predict(
        self, batch: list[tuple[str, dict]]
    ) -> Iterator[DepthPrediction]:
        samples = self.model.test_step(
            pseudo_collate([packed for _, packed in batch])
        )
        for (name, _), sample in zip(batch, samples, strict=True):
            depth = sample.pred_depth_map.data[0].float().cpu().numpy()
            yield DepthPrediction(name, depth)


def _device(name: str | None) -> torch.device:
    device = name or ('cuda' if torch.cuda.is_available() else 'cpu')
    try:
        # A meta tensor has no values.
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f'device is {name!r}: {reason}') from error
    return torch.device(device)
