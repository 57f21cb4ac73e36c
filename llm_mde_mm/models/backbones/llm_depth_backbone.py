"""Backbone: a picture through the vision and the language model."""

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor

from llm_mde_mm.models.features import LLMFeatures
from llm_mde_mm.utils.errors import ConfigError


@MODELS.register_module()
class LLMDepthBackbone(BaseModule):
    """Patches, reprogrammed into text and led by a prompt, through an LLM.

    The data flow of arXiv 2409.01133 up to the language model's states. B
    pictures, N = h * w patches, P prompt tokens, D language width, V' text
    prototypes.

    Args:
        vision (dict): Config of the vision model.
        language (dict): Config of the language model.
        prototypes (dict): Config of the text prototypes, without
            ``vocab_size``.
        reprogramming (dict): Config of the reprogramming, without widths.
        prompt (dict): Config of the prompt generator, without ``tokenizer``.

    Raises:
        ConfigError: If prompt and patches exceed the language model's
            positions.
    """

    def __init__(
        self,
        vision: dict,
        language: dict,
        prototypes: dict,
        reprogramming: dict,
        prompt: dict,
    ) -> None:
        super().__init__()
        self.vision = MODELS.build(vision)
        self.language = MODELS.build(language)
        vocab_size, width = self.language.word_embeddings.shape
        self.prototypes = MODELS.build(
            prototypes, default_args=dict(vocab_size=vocab_size)
        )
        self.reprogramming = MODELS.build(
            reprogramming,
            default_args=dict(
                vision_dims=self.vision.embed_dims, embed_dims=width
            ),
        )
        self.prompt = MODELS.build(
            prompt, default_args=dict(tokenizer=self.language.tokenizer)
        )
        self.embed_dims = width
        self._check_positions()
        self.reprogramming.match_scale(self.language.word_embeddings)
        for name, value in (
            ('mean', self.vision.mean),
            ('std', self.vision.std),
        ):
            self.register_buffer(
                name, torch.tensor(value).view(1, 3, 1, 1) * 255, False
            )
        self._cache: tuple | None = None

    def _check_positions(self) -> None:
        height, width = self.vision.grid_size
        length = self.prompt.length + height * width
        limit = self.language.max_length
        if limit is not None and length > limit:
            raise ConfigError(
                f'{self.prompt.length} prompt tokens and {height} x {width} '
                f'patches make {length} tokens; the language model has '
                f'{limit} positions. Lower backbone.vision.img_size or '
                'shorten the prompt'
            )

    def picture(self, inputs: Tensor) -> Tensor:
        """The picture before normalisation, whole numbers 0 to 255.

        Normalising is undone exactly: float32 loses far less than half a
        grey level on the way.
        """
        return (inputs.float() * self.std + self.mean).round().clamp(0, 255)

    def train(self, mode: bool = True) -> 'LLMDepthBackbone':
        """Switch the mode and forget the cache.

        MMEngine swaps averaged weights in before it calls ``eval()``, through
        ``.data``, which :meth:`keys_values` cannot see.
        """
        self._cache = None
        return super().train(mode)

    def keys_values(self) -> tuple[Tensor, Tensor]:
        """Keys and values of the prototypes; they depend on no picture.

        In eval mode without gradients they are kept until a weight that they
        come from changes, in place or by replacement.
        """
        if self.training or torch.is_grad_enabled():
            self._cache = None
            return self._compute_keys_values()
        sources = (
            *self.prototypes.parameters(),
            *self.reprogramming.parameters(),
            self.language.word_embeddings,
        )
        state = (
            tuple((p.data_ptr(), p._version, p.dtype) for p in sources),
            torch.is_autocast_enabled(sources[0].device.type),
        )
        if self._cache is None or self._cache[0] != state:
            self._cache = (state, self._compute_keys_values())
        return self._cache[1]

    def _compute_keys_values(self) -> tuple[Tensor, Tensor]:
        return self.reprogramming.keys_values(
            self.prototypes(self.language.word_embeddings)
        )

    def forward(
        self, inputs: Tensor, valid: Tensor | None = None
    ) -> LLMFeatures:
        """Run the four parts.

        Args:
            inputs (Tensor): ``(B, 3, H, W)`` RGB, normalised with the vision
                model's mean and std.
            valid (Tensor | None): ``(B, H, W)`` bool, False on padding.

        Returns:
            LLMFeatures: Patch map ``(B, D, h, w)`` and prompt states.
        """
        vision = self.vision(inputs)
        patches = self.reprogramming(vision, self.keys_values())
        ids, mask = self.prompt(self.picture(inputs), valid)
        tokens = torch.cat(
            [self.language.embed(ids).to(patches.dtype), patches], 1
        )
        seen = None
        if self.prompt.is_padded:
            seen = torch.cat([mask, mask.new_ones(patches.shape[:2])], 1)
        states = self.language(tokens, seen)
        prompt_states, patch_states = states.split(
            [ids.shape[1], patches.shape[1]], 1
        )
        patch_map, vision_map = (
            t.transpose(1, 2).unflatten(2, self.vision.grid_size)
            for t in (patch_states, vision)
        )
        return LLMFeatures(patch_map, prompt_states, mask, vision_map)
