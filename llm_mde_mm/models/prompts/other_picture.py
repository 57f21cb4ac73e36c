"""The prompt of another picture, as a control."""

import torch
from mmseg.registry import MODELS
from torch import Tensor

from llm_mde_mm.utils.errors import ConfigError, DataError

from .generator import PromptGenerator
from .prompt import Prompt


def shift_prompts(prompt: Prompt) -> Prompt:
    """Hand each picture's prompt on to the next picture of its batch.

    Args:
        prompt (Prompt): The prompts of B pictures.

    Returns:
        Prompt: The same in the next rows, the last one in the first.

    Raises:
        DataError: If there is one picture alone.
    """
    ids, mask, logits = prompt
    if ids.shape[0] < 2:
        raise DataError(
            'a batch has one picture alone, and no other picture to take a '
            'prompt from: choose a batch_size that leaves no rest of one'
        )
    return Prompt(
        torch.roll(ids, 1, 0),
        torch.roll(mask, 1, 0),
        None if logits is None else torch.roll(logits, 1, 0),
    )


@MODELS.register_module()
class OtherPromptGenerator(PromptGenerator):
    """Adaptive prompts, each written for another picture than it leads.

    A control: as many prompts, of the same kind, that tell nothing of the
    picture. Which picture is described says :func:`shift_prompts`. Each batch
    must be of two pictures or more.

    Args:
        **kwargs: Those of :class:`PromptGenerator`.

    Raises:
        ConfigError: If prompts are not adaptive, so that all are the same, or
            the distance is learned, which takes the picture's own prompt.
    """

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        if self.mode != 'adaptive':
            raise ConfigError(
                f'prompt.mode is {self.mode!r}, with which no prompt differs '
                "from another picture's: OtherPromptGenerator needs 'adaptive'"
            )
        if self.classifier is not None:
            raise ConfigError(
                "prompt.distance_mode 'learned' is not for "
                "OtherPromptGenerator: give 'intensity'"
            )

    def forward(
        self,
        picture: Tensor,
        valid: Tensor | None = None,
        patches: Tensor | None = None,
    ) -> Prompt:
        """Write a prompt for each picture and hand it to the next.

        Args:
            picture (Tensor): ``(B, 3, H, W)`` RGB, 0 to 255.
            valid (Tensor | None): ``(B, H, W)`` bool, False on padding.
            patches (Tensor | None): Not read.

        Returns:
            Prompt: Ids and mask ``(B, P)``.

        Raises:
            DataError: If a batch is one picture.
        """
        return shift_prompts(super().forward(picture, valid, patches))
