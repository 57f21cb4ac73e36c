"""What the prompt generator hands to the language model."""

from typing import NamedTuple

from torch import Tensor

# Stands in the ids where a mixture of word embeddings goes.
SOFT_ID = -1


class Prompt(NamedTuple):
    """The prompts of a batch of pictures.

    B pictures, P prompt tokens.

    Attributes:
        ids (Tensor): ``(B, P)`` int64 token ids; -1 where the mixed embedding
            of the seven distance words goes.
        mask (Tensor): ``(B, P)`` bool, False on padding, which stands first.
        distance_logits (Tensor | None): ``(B, 7)`` float32 scores of the
            words, None where they are not learned.
    """

    ids: Tensor
    mask: Tensor
    distance_logits: Tensor | None = None
