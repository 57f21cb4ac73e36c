"""Adaptive prompt generation (APG): the text that leads each picture."""

from typing import Any

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor

from llm_mde_mm.utils.errors import ConfigError

from .statistics import picture_statistics
from .template import PromptTemplate

PROMPT_MODES = ('none', 'fixed', 'adaptive')
# DepthCLIP's seven words (arXiv 2207.01077), nearest first.
DISTANCE_WORDS = (
    'giant',
    'extremely close',
    'close',
    'not in distance',
    'a little remote',
    'far',
    'unseen',
)
_PERCENT = tuple(str(number) for number in range(101))
_VALUES = dict(
    dict.fromkeys(
        (
            'minimum',
            'maximum',
            'median',
            'bright_row',
            'bright_column',
            'dark_row',
            'dark_column',
        ),
        _PERCENT,
    ),
    distance=DISTANCE_WORDS,
)


@MODELS.register_module()
class PromptGenerator(BaseModule):
    """Token ids of a prompt written for each picture of a batch.

    The paper's four views (arXiv 2409.01133): what the data is, what is
    asked, the picture's pixels, and how far its content is. Ground truth is
    never read.

    B pictures, P tokens.

    Args:
        tokenizer (transformers.PreTrainedTokenizerBase): The language
            model's own; the backbone passes it.
        mode (str): 'none', 'fixed' (data and task) or 'adaptive' (all four).
        dataset (str): What the data is.
        task (str): What is asked.
        pixels (str): Text with the slots ``{minimum}``, ``{maximum}``,
            ``{median}``, ``{bright_row}``, ``{bright_column}``,
            ``{dark_row}``, ``{dark_column}``; not all need appear.
        distance (str): Text with the slot ``{distance}``.

    Raises:
        ConfigError: If the mode or a slot does not exist.
    """

    def __init__(
        self,
        tokenizer: Any,
        mode: str = 'adaptive',
        dataset: str = 'indoor photograph with metric depth.',
        task: str = 'estimate the depth of each patch.',
        pixels: str = (
            'brightness {minimum} to {maximum}, median {median}, '
            'bright at {bright_row} {bright_column}, '
            'dark at {dark_row} {dark_column}.'
        ),
        distance: str = 'content is {distance}.',
    ) -> None:
        super().__init__()
        if mode not in PROMPT_MODES:
            raise ConfigError(
                f'prompt.mode is {mode!r}; it is one of '
                + ', '.join(PROMPT_MODES)
            )
        self.mode = mode
        self.tokenizer = tokenizer
        views = dict(
            none=(),
            fixed=(dataset, task),
            adaptive=(dataset, task, pixels, distance),
        )[mode]
        self.template: PromptTemplate | None = None
        if views:
            self.template = PromptTemplate(' '.join(views), _VALUES, tokenizer)

    @property
    def length(self) -> int:
        """P, padding included."""
        return 0 if self.template is None else self.template.length

    @property
    def is_padded(self) -> bool:
        """Whether prompts of different pictures can differ in length."""
        return self.template is not None and self.template.is_padded

    @torch.no_grad()
    def forward(
        self, picture: Tensor, valid: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Write a prompt for each picture.

        Args:
            picture (Tensor): ``(B, 3, H, W)`` RGB, 0 to 255.
            valid (Tensor | None): ``(B, H, W)`` bool, False on padding.

        Returns:
            tuple[Tensor, Tensor]: Ids and mask ``(B, P)``; padding first.
        """
        batch = picture.shape[0]
        if self.template is None:
            ids = torch.zeros(
                batch, 0, dtype=torch.long, device=picture.device
            )
            return ids, ids.bool()
        index = {}
        if self.template.slots:
            index = picture_statistics(picture, valid)
        return self.template(batch, index)

    def decode(self, ids: Tensor, mask: Tensor) -> list[str]:
        """The prompts as text, for logs and people."""
        return [
            self.tokenizer.decode(row[kept], skip_special_tokens=True)
            for row, kept in zip(ids.cpu(), mask.cpu(), strict=True)
        ]
