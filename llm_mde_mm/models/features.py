"""What passes from the backbone to the neck, and on to the head."""

from typing import NamedTuple

from torch import Tensor


class LLMFeatures(NamedTuple):
    """States of the language model, split into patches and prompt.

    B pictures, D language width, D_v vision width, (h, w) patch grid, P prompt
    tokens.

    Attributes:
        patch_map (Tensor): ``(B, D, h, w)`` states of the patches.
        prompt_states (Tensor): ``(B, P, D)`` states of the prompt, P = 0
            without one.
        prompt_mask (Tensor): ``(B, P)`` bool, False where a row of the batch
            is padded.
        vision_maps (tuple[Tensor, ...]): ``(B, D_v, h, w)`` patch tokens of
            each block of the vision model that is read, for necks with a path
            round the language model.
        distance_logits (Tensor | None): ``(B, 7)`` scores of the distance
            words, None where they are not learned.
    """

    patch_map: Tensor
    prompt_states: Tensor
    prompt_mask: Tensor
    vision_maps: tuple[Tensor, ...]
    distance_logits: Tensor | None = None


class WithPicture(NamedTuple):
    """What a decode head gets whose ``reads_picture`` is True.

    Attributes:
        features (Tensor): ``(B, C, h, w)``, what other heads get alone.
        picture (Tensor): ``(B, 3, H, W)``, the network's input, normalised.
    """

    features: Tensor
    picture: Tensor
