"""What passes from the backbone to the neck."""

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
        vision_map (Tensor): ``(B, D_v, h, w)`` patch tokens of the vision
            model, for necks with a path round the language model.
    """

    patch_map: Tensor
    prompt_states: Tensor
    prompt_mask: Tensor
    vision_map: Tensor
