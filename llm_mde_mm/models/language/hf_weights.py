"""Language models and tokenisers from the hub, a folder, or a plain config."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModel, AutoTokenizer
from transformers.utils import logging as hf_logging

from llm_mde_mm.utils.errors import ConfigError, WeightsError

# A WordPiece vocabulary of most of the prompts' words, the numbers 0 to 100
# and the letters, for models with random weights.
VOCABULARY = Path(__file__).parents[2] / 'assets' / 'vocabulary'


def _offline_hint(what: str, error: Exception) -> WeightsError:
    reason = str(error).strip().partition('\n')[0][:200]
    return WeightsError(
        f'{what} could not be loaded ({type(error).__name__}: {reason}). '
        'Without a network set LLM_WEIGHTS to a local folder made by '
        'save_pretrained'
    )


def load_tokenizer(source: str | None) -> Any:
    """The tokeniser that belongs to some weights.

    Args:
        source (str | None): Hub name or local folder; None for the package's
            own vocabulary.

    Raises:
        WeightsError: If there is none to be had.
    """
    where = str(VOCABULARY) if source is None else _existing(source)
    try:
        tokenizer = AutoTokenizer.from_pretrained(where)
    except Exception as error:  # tokenizers raises the bare class
        raise _offline_hint(f'the tokeniser of {where}', error) from error
    # Out of a folder without one, transformers makes it from nothing.
    if len(tokenizer) <= len(tokenizer.all_special_ids):
        raise WeightsError(
            f'{where} holds no vocabulary of a tokeniser: save_pretrained it '
            'there too, or name one in backbone.language.tokenizer'
        )
    return tokenizer


def _existing(source: str) -> str:
    """``source`` with ~ expanded; a path that is not there is an error."""
    path = Path(source).expanduser()
    if path.exists():
        return str(path)
    # A hub name is 'name' or 'owner/name'; all else can only be a path.
    if source.startswith(('/', '.', '~')) or source.count('/') > 1:
        raise WeightsError(
            f'{source} does not exist. Give a local folder or a hub name '
            'through LLM_WEIGHTS or backbone.language.weights'
        )
    return source


def _hf_config(source: str | None, config: Mapping | None) -> Any:
    if source is not None:
        try:
            return AutoConfig.from_pretrained(source)
        except (OSError, ValueError, StrictDataclassError) as error:
            raise _offline_hint(source, error) from error
    settings = dict(config or {})
    model_type = settings.pop('model_type', None)
    if model_type is None:
        raise ConfigError(
            'a language model without weights needs '
            "config=dict(model_type='bert', hidden_size=..., ...)"
        )
    try:
        return AutoConfig.for_model(model_type, **settings)
    except ValueError as error:
        raise ConfigError(f'config.model_type: {error}') from error
    except StrictDataclassError as error:
        raise _wrong_config(str(model_type), None, error) from error


def _wrong_config(
    model_type: str, attention: str | None, error: Exception
) -> ConfigError:
    key = 'backbone.language.config'
    if attention is not None:
        key += f' with attn_implementation={attention!r}'
    reason = ' '.join(str(error).split())
    return ConfigError(f'{key} makes no {model_type} model: {reason}')


def _from_config(hf_config: Any, attention: str | None) -> Any:
    """A model of random weights."""
    try:
        return AutoModel.from_config(hf_config, attn_implementation=attention)
    except Exception as error:  # what each family raises is its own
        raise _wrong_config(hf_config.model_type, attention, error) from error


def load_language_model(
    weights: str | None,
    config: Mapping | None,
    overrides: Mapping,
    random: bool = False,
    attention: str | None = None,
) -> Any:
    """Create a Hugging Face text model, pretrained or random.

    Args:
        weights (str | None): Hub name or local folder; None or 'random' for
            random weights from ``config``.
        config (Mapping | None): ``model_type`` and the arguments of its
            configuration, for random weights.
        overrides (Mapping): Configuration values to set, such as the number
            of layers; a key that the model's configuration lacks is left out.
        random (bool): Take the architecture of ``weights`` and no more.
        attention (str | None): transformers' ``attn_implementation``.

    Returns:
        transformers.PreTrainedModel: In float32, in training mode.

    Raises:
        ConfigError: If there is no such model type, its sizes do not fit
            each other, or it has no such attention.
        WeightsError: If the weights cannot be found or do not fill the model.
    """
    source = None if weights in (None, 'random') else _existing(str(weights))
    hf_config = _hf_config(source, config)
    for key, value in overrides.items():
        if hasattr(hf_config, key):
            setattr(hf_config, key, value)
    if source is None or random:
        return _from_config(hf_config, attention)
    if attention is not None:
        # Its errors look like those of weights, unless it is tried alone.
        with torch.device('meta'):
            _from_config(hf_config, attention)
    bar = hf_logging.is_progress_bar_enabled()
    hf_logging.disable_progress_bar()
    try:
        model, report = AutoModel.from_pretrained(
            source,
            config=hf_config,
            dtype='float32',
            attn_implementation=attention,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise _offline_hint(source, error) from error
    finally:
        if bar:
            hf_logging.enable_progress_bar()
    missing = [k for k in report['missing_keys'] if 'pooler' not in k]
    if missing:
        raise WeightsError(
            f'{source} lacks {len(missing)} parameters of '
            f'{type(model).__name__}, the first of them {missing[:3]}'
        )
    return model.train()
