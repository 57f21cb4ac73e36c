"""Language model: any Hugging Face text model that takes embeddings."""

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from llm_mde_mm.models.adapters import set_finetuning
from llm_mde_mm.utils.errors import ConfigError

from .controls import CONTROLS, AttentionModel, IdentityModel
from .hf_weights import load_language_model, load_tokenizer

# Added to the score of a masked key. Its exponential is 0 in every dtype, and
# unlike the smallest float it stays finite when autocast rounds it.
_MASKED = -3e4


@MODELS.register_module()
class HFLanguageModel(BaseModule):
    """A Hugging Face text model that reads embeddings, adapted by LoRA.

    B sequences, L tokens, V vocabulary, D width. The word embeddings stay
    frozen in every mode: the text prototypes are made of them.

    Args:
        weights (str | None): Hub name or local folder; None or 'random' for
            random weights from ``config``.
        config (Mapping | None): For random weights: ``model_type`` and the
            arguments of that model's configuration. ``vocab_size`` defaults
            to that of the tokeniser.
        tokenizer (str | None): Hub name or local folder of the tokeniser;
            by default the weights' own, or the package's small vocabulary
            where there are none.
        control (str | None): For ablations, what stands in the pretrained
            model's place: 'identity' (nothing: embeddings are the states),
            'random' (the same architecture, random weights) or 'attention'
            (one transformer block, trained whole). Tokeniser and, but for
            'random', word embeddings stay the model's own.
        num_layers (int | None): Keep only this many first layers.
        dropout (float | None): Dropout of states and attention, where the
            model has it; None leaves it as configured.
        finetune (str): 'frozen', 'lora' or 'full'.
        lora (Mapping | None): ``rank``, ``alpha``, ``dropout``, ``targets``.

    Raises:
        ConfigError: If the model does not take embeddings or has none of
            words, or a setting is out of range.
        WeightsError: If weights or tokeniser cannot be loaded.
    """

    def __init__(
        self,
        weights: str | None = None,
        config: Mapping | None = None,
        tokenizer: str | None = None,
        control: str | None = None,
        num_layers: int | None = None,
        dropout: float | None = None,
        finetune: str = 'lora',
        lora: Mapping | None = None,
    ) -> None:
        super().__init__()
        random = weights in (None, 'random')
        self.pretrained = None if random or control == 'random' else weights
        if tokenizer is None and not random:
            tokenizer = weights
        self.tokenizer = load_tokenizer(tokenizer)
        overrides = _overrides(num_layers, dropout)
        if random:
            config = {'vocab_size': len(self.tokenizer), **(config or {})}
        if control not in (None, *CONTROLS):
            raise ConfigError(
                f'control is {control!r}; it is None or one of '
                + ', '.join(CONTROLS)
            )
        self.model = load_language_model(
            weights, config, overrides, control == 'random'
        )
        _check_text_model(self.model)
        self.is_causal = _is_causal(self.model)
        self._position_offset = _position_offset(self.model)
        # A pooler's output is not read; its parameters would get no gradient.
        if getattr(self.model, 'pooler', None) is not None:
            self.model.pooler = None
        embedding = self.model.get_input_embeddings()
        self.embed_dims: int = embedding.embedding_dim
        self.max_length = self._positions()
        if control in ('identity', 'attention'):
            kind = IdentityModel if control == 'identity' else AttentionModel
            self.model = kind(embedding, self.model.config)
            self.is_causal, self.max_length = False, None
            finetune, lora = 'full', None
        set_finetuning(self.model, finetune, lora, self._probe)
        embedding.requires_grad_(False)

    def _positions(self) -> int | None:
        """Positions that the model has, None where it knows no limit."""
        limit = getattr(self.model.config, 'max_position_embeddings', None)
        return None if limit is None else limit - self._position_offset

    def _probe(self) -> Tensor:
        """States of a few words; adapters are tried with them."""
        words = self.word_embeddings
        ids = torch.arange(4, device=words.device) * (words.shape[0] // 4)
        return self(self.embed(ids[None]), None)

    def init_weights(self) -> None:
        """Leave the weights as the constructor has loaded them.

        MMEngine calls this before training, and its own would go on to the
        network's method of this name, which draws all of them at random.
        """

    @property
    def word_embeddings(self) -> Tensor:
        """``(V, D)`` word-embedding table E, frozen."""
        return self.model.get_input_embeddings().weight

    def embed(self, ids: Tensor) -> Tensor:
        """Word embeddings ``(B, P, D)`` of token ids ``(B, P)``."""
        return self.model.get_input_embeddings()(ids)

    def forward(self, embeddings: Tensor, mask: Tensor | None) -> Tensor:
        """Run the language model on embeddings.

        Args:
            embeddings (Tensor): ``(B, L, D)``.
            mask (Tensor | None): ``(B, L)`` bool, False for padding, which
                must stand before the first unmasked token; None where no row
                is padded.

        Returns:
            Tensor: ``(B, L, D)`` states of the last layer.
        """
        inputs: dict = dict(inputs_embeds=embeddings)
        if mask is not None:
            inputs['attention_mask'] = self._additive_mask(
                mask, embeddings.dtype
            )
            positions = mask.long().cumsum(1).sub(1).clamp(min=0)
            inputs['position_ids'] = positions + self._position_offset
        if self.is_causal:
            inputs['use_cache'] = False
        return self.model(**inputs).last_hidden_state

    def _additive_mask(self, mask: Tensor, dtype: torch.dtype) -> Tensor:
        """Scores ``(B, 1, L, L)`` to add to the attention's.

        transformers reads a 2-D mask on the host, a 4-D one it does not.
        """
        length = mask.shape[1]
        visible = mask[:, None, None, :].expand(-1, 1, length, -1)
        if self.is_causal:
            ones = torch.ones_like(visible, dtype=torch.bool)
            visible = visible & ones.tril()
        # A padded row sees itself, so that no softmax is over nothing.
        eye = torch.eye(length, dtype=torch.bool, device=mask.device)
        zeros = torch.zeros((), dtype=dtype, device=mask.device)
        return torch.where(visible | eye, zeros, _MASKED)


def _overrides(num_layers: int | None, dropout: float | None) -> dict:
    settings: dict = dict(use_cache=False)
    if num_layers is not None:
        if num_layers < 1:
            raise ConfigError(f'num_layers is {num_layers}: give at least 1')
        settings['num_hidden_layers'] = num_layers
    if dropout is not None:
        if not 0 <= dropout < 1:
            raise ConfigError(f'dropout is {dropout}: give 0 <= p < 1')
        # The names that BERT's and GPT-2's families give their dropout.
        settings.update(
            dict.fromkeys(
                (
                    'hidden_dropout_prob',
                    'attention_probs_dropout_prob',
                    'attn_pdrop',
                    'attention_dropout',
                    'embd_pdrop',
                    'resid_pdrop',
                ),
                dropout,
            )
        )
    return settings


def _check_text_model(model: Any) -> None:
    accepted = inspect.signature(model.forward).parameters
    if 'inputs_embeds' not in accepted:
        raise ConfigError(
            f'{type(model).__name__} takes no inputs_embeds: '
            'choose a text encoder or decoder'
        )
    try:
        embedding = model.get_input_embeddings()
    except NotImplementedError:
        embedding = None
    if not isinstance(embedding, nn.Embedding):
        raise ConfigError(
            f'{type(model).__name__} has no table of word embeddings, which '
            'prompt and prototypes are made of: choose a text model'
        )


def _is_causal(model: nn.Module) -> bool:
    """Whether a token sees only those before it.

    Families that can be both say so by ``is_decoder``; of the others, only
    decoders keep a cache of past keys.
    """
    keeps_cache = 'use_cache' in inspect.signature(model.forward).parameters
    return bool(getattr(model.config, 'is_decoder', keeps_cache))


def _position_offset(model: nn.Module) -> int:
    """RoBERTa and MPNet count positions from behind their padding index."""
    for name, module in model.named_modules():
        if (
            name.endswith('position_embeddings')
            and isinstance(module, nn.Embedding)
            and module.padding_idx is not None
        ):
            return module.padding_idx + 1
    return 0
