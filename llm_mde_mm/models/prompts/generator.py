"""Adaptive prompt generation (APG): the text that leads each picture."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor

from llm_mde_mm.utils.errors import ConfigError

from .distance import (
    DISTANCE_EDGES,
    DISTANCE_WORDS,
    DistanceClassifier,
    mix,
)
from .prompt import SOFT_ID, Prompt
from .statistics import picture_statistics
from .template import PromptTemplate

PROMPT_MODES = ('none', 'fixed', 'adaptive')
DISTANCE_MODES = ('intensity', 'learned')
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
    never read, but by :meth:`distance_loss` in training.

    B pictures, P prompt tokens, N patches, D_v vision width, D language
    width.

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
        distance_mode (str): Where one of the seven words in that slot comes
            from, in an adaptive prompt. 'intensity': the picture's modal
            grey level, as in the paper. 'learned': a classifier on the
            visual tokens mixes the embeddings of all seven.
        vision_dims (int | None): D_v, for 'learned'; the backbone passes it.
        distance_loss_weight (float): Weight of the loss that supervises the
            classifier by the median of the ground truth; 0 for none.
        distance_edges (Sequence[float]): Six rising depths in metres between
            the seven words, for that loss.

    Raises:
        ConfigError: If a mode or a slot does not exist, or a setting of the
            classifier cannot be.
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
        distance_mode: str = 'intensity',
        vision_dims: int | None = None,
        distance_loss_weight: float = 0.0,
        distance_edges: Sequence[float] = DISTANCE_EDGES,
    ) -> None:
        super().__init__()
        _check_choice('mode', mode, PROMPT_MODES)
        _check_choice('distance_mode', distance_mode, DISTANCE_MODES)
        self.mode = mode
        self.tokenizer = tokenizer
        views = dict(
            none=(),
            fixed=(dataset, task),
            adaptive=(dataset, task, pixels, distance),
        )[mode]
        # The settings of a view that is not shown are read no more than its
        # text.
        learned = mode == 'adaptive' and distance_mode == 'learned'
        soft = ('distance',) if learned else ()
        self.template: PromptTemplate | None = None
        if views:
            self.template = PromptTemplate(
                ' '.join(views), _VALUES, tokenizer, soft
            )
        self.distance_loss_weight = distance_loss_weight
        self.classifier: DistanceClassifier | None = None
        if learned:
            self._check_slot()
            self.classifier = DistanceClassifier(
                vision_dims, distance_edges, distance_loss_weight
            )
        elif mode == 'adaptive' and distance_loss_weight:
            raise ConfigError(
                f'prompt.distance_loss_weight is {distance_loss_weight}, but '
                f'distance_mode {distance_mode!r} has nothing to train'
            )

    def _check_slot(self) -> None:
        if self.template is None or 'distance' not in self.template.slots:
            raise ConfigError(
                "prompt.distance_mode is 'learned', but no text of the prompt "
                'has the slot {distance}'
            )

    @property
    def length(self) -> int:
        """P, padding included."""
        return 0 if self.template is None else self.template.length

    @property
    def is_padded(self) -> bool:
        """Whether prompts of different pictures can differ in length."""
        return self.template is not None and self.template.is_padded

    def forward(
        self,
        picture: Tensor,
        valid: Tensor | None = None,
        patches: Tensor | None = None,
    ) -> Prompt:
        """Write a prompt for each picture.

        Args:
            picture (Tensor): ``(B, 3, H, W)`` RGB, 0 to 255.
            valid (Tensor | None): ``(B, H, W)`` bool, False on padding.
            patches (Tensor | None): ``(B, N, D_v)`` visual tokens; read only
                where the distance is learned.

        Returns:
            Prompt: Ids and mask ``(B, P)`` and, where the distance is
            learned, logits ``(B, 7)``.

        Raises:
            ValueError: If the distance is learned and there are no tokens.
        """
        ids, mask = self._write(picture, valid)
        if self.classifier is None:
            return Prompt(ids, mask)
        if patches is None:
            raise ValueError('a learned distance needs the visual tokens')
        return Prompt(ids, mask, self.classifier(patches))

    @torch.no_grad()
    def _write(
        self, picture: Tensor, valid: Tensor | None
    ) -> tuple[Tensor, Tensor]:
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

    def embed(self, prompt: Prompt, language: Any) -> Tensor:
        """Word embeddings ``(B, P, D)`` of the prompts.

        A soft slot holds the embeddings of the seven words, weighted by the
        softmax of their logits, so that a loss reaches the classifier.

        Args:
            prompt (Prompt): The prompts of B pictures.
            language (HFLanguageModel): Whose ``embed`` turns ids into
                embeddings.
        """
        embeddings = language.embed(prompt.ids.clamp(min=0))
        if prompt.distance_logits is None:
            return embeddings
        mixed = mix(prompt.distance_logits, self.word_vectors(language))
        return torch.where(
            (prompt.ids == SOFT_ID)[:, :, None],
            mixed[:, None].to(embeddings.dtype),
            embeddings,
        )

    def word_vectors(self, language: Any) -> Tensor:
        """Embeddings ``(7, D)`` of the words, float32: means of their tokens.

        Args:
            language (HFLanguageModel): Whose ``embed`` turns ids into
                embeddings.
        """
        assert self.template is not None
        ids, mask = self.template.table('distance')
        share = mask / mask.sum(1, keepdim=True)
        return (language.embed(ids).float() * share[:, :, None]).sum(1)

    def distance_loss(self, logits: Tensor, depth: Tensor) -> Tensor:
        """Loss of the distance classifier; for training only.

        Args:
            logits (Tensor): ``(B, 7)``, those of a :class:`Prompt`.
            depth (Tensor): ``(B, 1, H, W)`` ground truth in metres, 0 = none.

        Returns:
            Tensor: Scalar, finite; 0 where nothing was measured.
        """
        assert self.classifier is not None
        return self.classifier.loss(logits, depth)

    def decode(self, prompt: Prompt) -> list[str]:
        """The prompts as text, for logs and people.

        A soft slot reads as its most probable word.
        """
        rows = _token_lists(prompt.ids, prompt.mask)
        if prompt.distance_logits is not None:
            assert self.template is not None
            words = _token_lists(*self.template.table('distance'))
            best = prompt.distance_logits.argmax(1).tolist()
            rows = [
                [t for i in row for t in (words[k] if i == SOFT_ID else [i])]
                for row, k in zip(rows, best, strict=True)
            ]
        return [
            self.tokenizer.decode(row, skip_special_tokens=True)
            for row in rows
        ]


def _check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise ConfigError(
            f'prompt.{name} is {value!r}; it is one of ' + ', '.join(choices)
        )


def _token_lists(ids: Tensor, mask: Tensor) -> list[list[int]]:
    """The ids of each row without its padding."""
    return [
        row[kept].tolist()
        for row, kept in zip(ids.cpu(), mask.cpu(), strict=True)
    ]
