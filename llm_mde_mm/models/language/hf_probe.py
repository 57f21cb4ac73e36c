"""What a Hugging Face text model can do, found out on a few tokens."""

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from llm_mde_mm.utils.errors import ConfigError

# A model's states given embeddings (B, L, D) and a mask (B, L) or None.
Run = Callable[[Tensor, Tensor | None], Tensor]
_ADVICE = (
    'choose a text model of the class of BERT, RoBERTa, MPNet, ELECTRA, '
    'GPT-2, GPT-NeoX, Llama or Qwen'
)


def check_text_model(model: Any) -> None:
    """Check that a model takes embeddings and has a table of its own.

    Raises:
        ConfigError: If it does not.
    """
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


def position_offset(model: nn.Module) -> int:
    """RoBERTa and MPNet count positions from behind their padding index."""
    for name, module in model.named_modules():
        if (
            name.endswith('position_embeddings')
            and isinstance(module, nn.Embedding)
            and module.padding_idx is not None
        ):
            return module.padding_idx + 1
    return 0


def attention_window(config: Any) -> int | None:
    """Length of a sequence within which each token of a model sees all.

    Args:
        config (PretrainedConfig): The model's.

    Returns:
        int | None: None where attention has no window.
    """
    windows = [getattr(config, 'sliding_window', None)]
    # ModernBERT's is to both sides.
    local = getattr(config, 'local_attention', None)
    windows.append(local and local // 2)
    return min((window for window in windows if window), default=None)


def run_alone(name: str, run: Run, words: Tensor) -> tuple[Tensor, bool]:
    """Run one sequence without a mask, and see whether the model is causal.

    It is if the first token's state has no gradient with respect to the last
    token: not merely a small one, as random weights give. What a
    configuration says (``is_decoder``) is wrong for some families.

    Args:
        name (str): The model's class, for errors.
        run (Callable): The model, in eval mode.
        words (Tensor): ``(1, L, D)`` embeddings.

    Returns:
        tuple[Tensor, bool]: States ``(1, L, D')``, which may be wider than
        the embeddings, and whether a token sees only those before it.

    Raises:
        ConfigError: If the model does not run.
    """
    with torch.enable_grad():
        words = words.detach().requires_grad_()
        try:
            states = run(words, None)
        except Exception as error:  # what each family raises is its own
            raise ConfigError(
                f'{name} does not run on embeddings ({_reason(error)}): check '
                'backbone.language.config and attn_implementation, or '
                + _ADVICE
            ) from error
        # Not the sum: that of a normalised state is constant.
        ramp = torch.linspace(-1, 1, states.shape[-1], device=words.device)
        (gradient,) = torch.autograd.grad(
            (states[0, 0].float() * ramp).sum(), words
        )
    return states.detach(), not bool(gradient[0, -1].any())


@torch.no_grad()
def check_padding(name: str, run: Run, words: Tensor, alone: Tensor) -> None:
    """Check that padding before a sequence leaves its states alone.

    Args:
        name (str): The model's class, for errors.
        run (Callable): The model, in eval mode.
        words (Tensor): ``(1, L, D)`` embeddings.
        alone (Tensor): ``(1, L, D')`` states of them without padding.

    Raises:
        ConfigError: If the model does not run with a mask, or the states
            are others.
    """
    padded = torch.cat([words[:, -2:], words], 1)
    mask = torch.ones(padded.shape[:2], dtype=torch.bool, device=words.device)
    mask[:, :2] = False
    try:
        states = run(padded, mask)[:, 2:]
    except Exception as error:  # what each family raises is its own
        raise ConfigError(
            f'{name} does not run with the 4-D attention mask and the '
            f'position_ids of a padded batch ({_reason(error)}): {_ADVICE}'
        ) from error
    difference = (states - alone).abs().max() / alone.abs().max()
    # Rounding is far below the root of the dtype's eps, a visible padding
    # or a wrong position above it.
    if not bool(difference <= torch.finfo(alone.dtype).eps ** 0.5):
        raise ConfigError(
            f'{name} gives a sequence other states behind padding than '
            f'alone (relative difference {float(difference):.1g}): it does '
            f'not heed the attention mask or position_ids; {_ADVICE}'
        )


def _reason(error: Exception) -> str:
    return f'{type(error).__name__}: {" ".join(str(error).split())[:200]}'
