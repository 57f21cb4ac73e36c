"""What the prompts say, in the log and as a picture."""

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from mmseg.structures import SegDataSample
from torch import nn

from llm_mde_mm.models import LLMDepthBackbone, LLMDepthEstimator
from llm_mde_mm.utils.errors import ConfigError
from llm_mde_mm.visualization.canvas import Canvas

from ..gradients import bare_model

# Sizes in pixels of the sheet; the text is set in 12 points.
_PANEL, _TEXT, _MARGIN, _LINE = 320, 520, 16, 20
# Characters of a line, and of a name, which is bold.
_CHARACTERS, _LONGEST_NAME = 54, 44


@HOOKS.register_module()
class PromptLogHook(Hook):
    """Log the prompts of a few pictures at the start of an epoch.

    They are those of the epoch's first batch as training sees it. They also
    go to the visualizer, beside their pictures, under the name 'prompts'.
    Models without prompts are left alone.

    Args:
        num_prompts (int): How many pictures.
        interval (int): Every how many epochs, from the first on.

    Raises:
        ConfigError: If either is not positive.
    """

    def __init__(self, num_prompts: int = 3, interval: int = 1) -> None:
        for name, value in (
            ('num_prompts', num_prompts),
            ('interval', interval),
        ):
            if value < 1:
                raise ConfigError(
                    f'PromptLogHook.{name} is {value}: give 1 or more'
                )
        self.num_prompts = num_prompts
        self.interval = interval

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None
    ) -> None:
        """Log and draw the prompts of the epoch's first batch."""
        if batch_idx or runner.epoch % self.interval or not is_main_process():
            return
        model = bare_model(runner)
        if not _has_prompts(model):
            return
        pictures, texts = self._read(model, data_batch)
        names = [
            Path(sample.metainfo.get('img_path', f'picture {i}')).name
            for i, sample in enumerate(data_batch['data_samples'])
        ][: self.num_prompts]
        runner.logger.info(
            '\n'.join(
                [f'prompts of epoch {runner.epoch + 1}:']
                + [f'  {n}: {t}' for n, t in zip(names, texts, strict=True)]
            )
        )
        runner.visualizer.add_image(
            'prompts', prompt_sheet(pictures, names, texts), runner.iter
        )

    @torch.no_grad()
    def _read(self, model: Any, batch: dict) -> tuple[np.ndarray, list[str]]:
        """Pictures ``(K, H, W, 3)`` uint8 RGB and their prompts."""
        preprocess = model.data_preprocessor
        # The samples are copied, as the preprocessor writes into them; their
        # ground truth stays behind.
        samples = [
            SegDataSample(metainfo=sample.metainfo)
            for sample in batch['data_samples']
        ]
        # Padded as in training. Augmentations of the batch would draw random
        # numbers.
        data = preprocess(
            dict(inputs=batch['inputs'], data_samples=samples),
            training=getattr(preprocess, 'batch_augments', None) is None,
        )
        # The whole batch: a prompt may be written for its neighbour.
        inputs = data['inputs']
        metas = [sample.metainfo for sample in data['data_samples']]
        with _eval_mode(model.backbone):
            texts = model.backbone.describe(
                inputs, model._valid_pixels(inputs, metas)
            )
            pictures = model.backbone.picture(inputs[: self.num_prompts])
        pixels = pictures.byte().permute(0, 2, 3, 1).cpu().numpy()
        return pixels, texts[: self.num_prompts]


def _has_prompts(model: nn.Module) -> bool:
    return (
        isinstance(model, LLMDepthEstimator)
        and isinstance(model.backbone, LLMDepthBackbone)
        and model.backbone.prompt.length > 0
    )


@contextmanager
def _eval_mode(module: nn.Module) -> Iterator[None]:
    """Without dropout; each part gets back the mode it was in."""
    modes = [(part, part.training) for part in module.modules()]
    # Not eval(), which some parts override to switch more than this.
    for part, _ in modes:
        part.training = False
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


def prompt_sheet(
    pictures: np.ndarray, names: Sequence[str], texts: Sequence[str]
) -> np.ndarray:
    """Draw pictures and, beside each, its name and prompt.

    Args:
        pictures (ndarray): RGB ``(K, H, W, 3)``, uint8.
        names (Sequence[str]): What to call them.
        texts (Sequence[str]): Their prompts.

    Returns:
        ndarray: RGB ``(H', W', 3)``, uint8.
    """
    panel = round(_PANEL * pictures.shape[1] / pictures.shape[2])
    wrapped = [textwrap.wrap(text, _CHARACTERS) for text in texts]
    # The name takes the first two lines.
    heights = [max(panel, _LINE * (len(lines) + 2)) for lines in wrapped]
    width = _PANEL + _TEXT + 3 * _MARGIN
    canvas = Canvas(width, sum(heights) + _MARGIN * (len(heights) + 1))
    left, top = 2 * _MARGIN + _PANEL, _MARGIN
    for i, height in enumerate(heights):
        canvas.picture(pictures[i], _MARGIN, top, _PANEL, panel)
        name = names[i]
        if len(name) > _LONGEST_NAME:
            name = '...' + name[3 - _LONGEST_NAME :]
        canvas.text(left, top, name, 12, weight='bold')
        canvas.text(left, top + 1.5 * _LINE, '\n'.join(wrapped[i]), 12)
        top += height + _MARGIN
    return canvas.render()
