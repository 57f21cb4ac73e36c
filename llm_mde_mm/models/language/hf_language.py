"""Language model: any Hugging Face text model that takes embeddings."""

from collections.abc import Mapping

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor

from llm_mde_mm.models.adapters import set_finetuning
from llm_mde_mm.utils.errors import ConfigError

from .controls import CONTROLS, AttentionModel, IdentityModel
from .hf_probe import (
    attention_window,
    check_padding,
    check_text_model,
    position_offset,
    run_alone,
)
from .hf_weights import load_language_model, load_tokenizer

# Added to the score of a masked key. Its exponential is 0 in every dtype, and
# unlike the smallest float it stays finite when autocast rounds it.
_MASKED = -3e4


@MODELS.register_module()
class HFLanguageModel(BaseModule):
    """A Hugging Face text model that reads embeddings, adapted by LoRA.

    B sequences, L tokens, V vocabulary, D width of word embeddings, D' of
    states; ELECTRA and ALBERT have D' > D, others the same for both. The word
    embeddings stay frozen in every mode: the text prototypes are made of them.

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
        attn_implementation (str | None): How attention is computed, as
            transformers names it: 'sdpa' or 'eager'. None leaves the choice
            to transformers: SDPA, with its flash kernels, where the model has
            it.

    Raises:
        ConfigError: If the model does not take embeddings or has none of
            words, does not run, or heeds no mask; or a setting is out of
            range.
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
        attn_implementation: str | None = None,
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
            weights,
            config,
            overrides,
            control == 'random',
            attn_implementation,
        )
        check_text_model(self.model)
        self.is_causal = False
        self._position_offset = position_offset(self.model)
        # A pooler's output is not read; its parameters would get no gradient.
        if getattr(self.model, 'pooler', None) is not None:
            self.model.pooler = None
        embedding = self.model.get_input_embeddings()
        self.embed_dims: int = embedding.embedding_dim
        # How far a token sees without a mask; with one it sees all.
        self.window: int | None = attention_window(self.model.config)
        self.max_length = self._positions()
        if control in ('identity', 'attention'):
            kind = IdentityModel if control == 'identity' else AttentionModel
            self.model = kind(embedding, self.model.config)
            self.max_length = self.window = None
            finetune, lora = 'full', None
        else:
            self._examine()
        set_finetuning(self.model, finetune, lora, self._probe)
        embedding.requires_grad_(False)

    def _positions(self) -> int | None:
        """Positions that the model has, None where it knows no limit."""
        limit = getattr(self.model.config, 'max_position_embeddings', None)
        return None if limit is None else limit - self._position_offset

    def _words(self) -> Tensor:
        """Embeddings ``(1, 4, D)`` of words from all over the vocabulary."""
        words = self.word_embeddings
        ids = torch.arange(4, device=words.device) * (words.shape[0] // 4)
        return self.embed(ids[None])

    def _probe(self) -> Tensor:
        """States of a few words; adapters are tried with them."""
        return self(self._words(), None)

    def _examine(self) -> None:
        """Find out who sees whom and the width D'; check the padding."""
        name, words = type(self.model).__name__, self._words()
        training = self.model.training
        self.model.eval()
        states, self.is_causal = run_alone(name, self, words)
        check_padding(name, self, words, states)
        self.embed_dims = states.shape[-1]
        self.model.train(training)

    def init_weights(self) -> None:
        """Leave the weights as the constructor has loaded them.

        MMEngine calls this before training, and its own would go on to the
        network's method of this name, which draws all of them at random.
        """

    @property
    def word_embeddings(self) -> Tensor:
        """``(V, D)`` word-embedding table E, frozen."""
        return self.model.get_input_embeddings().weight

    @torch.no_grad()
    def scaled_embeddings(self) -> Tensor:
        """``(V, D)``, the table as :meth:`embed` gives it.

        Some models multiply it, Gemma by the root of D.
        """
        table = self.word_embeddings
        ids = torch.arange(4, device=table.device) * (table.shape[0] // 4)
        factor = self.embed(ids).norm() / table[ids].norm()
        return table if factor == 1 else table * factor

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
            Tensor: ``(B, L, D')`` states of the last layer.
        """
        inputs: dict = dict(inputs_embeds=embeddings)
        if mask is not None:
            inputs['attention_mask'] = _additive_mask(
                mask, embeddings.dtype, self.is_causal
            )
            positions = mask.long().cumsum(1).sub(1).clamp(min=0)
            inputs['position_ids'] = positions + self._position_offset
        return self.model(**inputs).last_hidden_state


def _additive_mask(mask: Tensor, dtype: torch.dtype, causal: bool) -> Tensor:
    """Scores ``(B, 1, L, L)`` to add to the attention's.

    transformers reads a 2-D mask on the host, a 4-D one it does not.
    """
    length = mask.shape[1]
    visible = mask[:, None, None, :].expand(-1, 1, length, -1)
    if causal:
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
        # The names that the families give their dropout.
        settings.update(
            dict.fromkeys(
                (
                    'hidden_dropout_prob',
                    'hidden_dropout',
                    'attention_probs_dropout_prob',
                    'attn_pdrop',
                    'attention_dropout',
                    'embd_pdrop',
                    'embed_dropout',
                    'embedding_dropout',
                    'resid_pdrop',
                    'resid_dropout',
                    'residual_dropout',
                    'mlp_dropout',
                    'dropout',
                    'activation_dropout',
                ),
                dropout,
            )
        )
    return settings
