"""Backbone: a picture through the vision and the language model."""

from collections.abc import Callable

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor

from llm_mde_mm.models.features import LLMFeatures
from llm_mde_mm.models.normalisation import Pixels
from llm_mde_mm.utils.errors import ConfigError


@MODELS.register_module()
class LLMDepthBackbone(BaseModule):
    """Patches, reprogrammed into text and led by a prompt, through an LLM.

    The data flow of arXiv 2409.01133 up to the language model's states. B
    pictures, N = h * w patches, P prompt tokens, D width of the language
    model's states, V' text prototypes.

    Args:
        vision (dict): Config of the vision model.
        language (dict): Config of the language model.
        prototypes (dict): Config of the text prototypes, without
            ``vocab_size``.
        reprogramming (dict): Config of the reprogramming, without widths.
        prompt (dict): Config of the prompt generator, without ``tokenizer``
            and ``vision_dims``.

    Raises:
        ConfigError: If prompt and patches exceed the language model's
            positions, or its window where prompts are padded, or a prompt
            has tokens that it lacks.
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
            prompt,
            default_args=dict(
                tokenizer=self.language.tokenizer,
                vision_dims=self.vision.embed_dims,
            ),
        )
        # Of the states, which in some models are wider than the embeddings.
        self.embed_dims: int = self.language.embed_dims
        self._check_positions()
        self._check_vocabulary(vocab_size)
        self.reprogramming.match_scale(self.language.scaled_embeddings())
        self.picture = Pixels(self.vision.mean, self.vision.std)
        self._cache: tuple | None = None
        self.register_load_state_dict_post_hook(_forget_keys_values)

    def _check_positions(self) -> None:
        height, width = self.vision.grid_size
        length = self.prompt.length + height * width
        limit = self.language.max_length
        if limit is not None and length > limit:
            raise ConfigError(
                f'{self.prompt.length} prompt tokens and {height} x {width} '
                f'patches make {length} tokens; the language model has '
                f'{limit} positions (max_position_embeddings). Lower '
                'backbone.vision.img_size, shorten backbone.prompt.pixels or '
                "set backbone.prompt.mode to 'fixed' or 'none', or choose a "
                'language model with more positions'
            )
        window = self.language.window
        if self.prompt.is_padded and window is not None and length > window:
            raise ConfigError(
                f'the language model sees {window} tokens at a time, but all '
                f'of {length} where prompts differ in length, as the mask of '
                'their padding replaces its own: set backbone.prompt.mode to '
                "'fixed' or 'none', lower backbone.vision.img_size, or choose "
                'a language model without a window'
            )

    def _check_vocabulary(self, vocab_size: int) -> None:
        template = self.prompt.template
        if template is not None and template.largest_id >= vocab_size:
            raise ConfigError(
                f'the prompt has token {template.largest_id}, but the '
                f'language model only {vocab_size} word embeddings: give '
                'backbone.language.tokenizer of the same model'
            )

    def train(self, mode: bool = True) -> 'LLMDepthBackbone':
        """Switch the mode and forget the cache.

        MMEngine swaps averaged weights in before it calls ``eval()``, through
        ``.data``, which :meth:`keys_values` cannot see.
        """
        self._cache = None
        return super().train(mode)

    def _apply(self, fn: Callable, recurse: bool = True) -> 'LLMDepthBackbone':
        self._cache = None
        return super()._apply(fn, recurse)

    def keys_values(self) -> tuple[Tensor, Tensor]:
        """Keys and values of the prototypes; they depend on no picture.

        In eval mode without gradients they are kept until a weight that they
        come from changes, in place or by replacement. A compiled forward pass
        cannot look for such a change: it keeps to what an eager one left, or
        computes them anew where there is nothing.
        """
        if self.training or torch.is_grad_enabled():
            self._cache = None
            return self._compute_keys_values()
        if torch.compiler.is_compiling():
            if self._cache is not None:
                return self._cache[1]
            return self._compute_keys_values()
        sources = (
            *self.prototypes.parameters(),
            *self.reprogramming.parameters(),
            self.language.word_embeddings,
        )
        device = sources[0].device.type
        state = (
            tuple((p.data_ptr(), p._version, p.dtype) for p in sources),
            torch.is_autocast_enabled(device)
            and torch.get_autocast_dtype(device),
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
                model's mean and std, in float32.
            valid (Tensor | None): ``(B, H, W)`` bool, False on padding.

        Returns:
            LLMFeatures: Patch map ``(B, D, h, w)`` and prompt states.
        """
        vision = self.vision(inputs)
        patches = self.reprogramming(vision[-1], self.keys_values())
        prompt = self.prompt(self.picture(inputs), valid, vision[-1])
        words = self.prompt.embed(prompt, self.language).to(patches.dtype)
        seen = None
        if self.prompt.is_padded:
            shown = prompt.mask.new_ones(patches.shape[:2])
            seen = torch.cat([prompt.mask, shown], 1)
        states = self.language(torch.cat([words, patches], 1), seen)
        prompt_states, patch_states = states.split(
            [words.shape[1], patches.shape[1]], 1
        )
        patch_map, *vision_maps = (
            t.transpose(1, 2).unflatten(2, self.vision.grid_size)
            for t in (patch_states, *vision)
        )
        return LLMFeatures(
            patch_map,
            prompt_states,
            prompt.mask,
            tuple(vision_maps),
            prompt.distance_logits,
        )

    @torch.no_grad()
    def describe(
        self, inputs: Tensor, valid: Tensor | None = None
    ) -> list[str]:
        """The prompts as text, one a picture, in the mode the model is in.

        Args:
            inputs (Tensor): ``(B, 3, H, W)``, as in :meth:`forward`.
            valid (Tensor | None): ``(B, H, W)`` bool, False on padding.
        """
        patches = self.vision(inputs)[-1]
        return self.prompt.decode(
            self.prompt(self.picture(inputs), valid, patches)
        )


def _forget_keys_values(backbone: LLMDepthBackbone, _: object) -> None:
    """``load_state_dict(assign=True)`` replaces parameters unseen."""
    backbone._cache = None
