"""The prompt of another picture, as a control."""

import torch
from mmseg.registry import MODELS
from torch import Tensor

from llm_mde_mm.utils.errors import ConfigError, DataError

from .generator import PromptGenerator
from .prompt import Prompt


class PromptShift:
    """Hands each picture's prompt on to the next picture.

    The first picture of a batch gets the prompt of the last one of the batch
    before; in the first batch, of its own last one. With pictures in one
    order all thus get the same prompts at every run.
    """

    def __init__(self) -> None:
        self._before: Prompt | None = None

    def forget(self) -> None:
        """Make the next batch the first one."""
        self._before = None

    def __call__(self, prompt: Prompt) -> Prompt:
        """Shift the prompts of a batch by one picture.

        Args:
            prompt (Prompt): The prompts of B pictures.

        Returns:
            Prompt: The same but one, in the next rows.

        Raises:
            DataError: If the first batch is one picture: there is no other.
        """
        ids, mask, logits = prompt
        last = Prompt(
            ids[-1:],
            mask[-1:],
            None if logits is None else logits[-1:].detach(),
        )
        before = self._before
        if before is None:
            if ids.shape[0] < 2:
                raise DataError(
                    'the first batch has one picture, and no other picture to '
                    'take a prompt from: make it two pictures or more'
                )
            before = last
        self._before = last
        return Prompt(
            torch.cat([before.ids, ids[:-1]]),
            torch.cat([before.mask, mask[:-1]]),
            None
            if logits is None or before.distance_logits is None
            else torch.cat([before.distance_logits, logits[:-1]]),
        )


@MODELS.register_module()
class OtherPromptGenerator(PromptGenerator):
    """Adaptive prompts, each written for another picture than it leads.

    A control: as many prompts, of the same kind, that tell nothing of the
    picture. Which picture is described says :class:`PromptShift`; a change
    between training and testing starts anew. The first batch must be of two
    pictures or more.

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
        self._shift = PromptShift()

    def train(self, mode: bool = True) -> 'OtherPromptGenerator':
        """Switch the mode and start anew."""
        self._shift.forget()
        return super().train(mode)

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
            DataError: If the first batch is one picture.
        """
        return self._shift(super().forward(picture, valid, patches))
