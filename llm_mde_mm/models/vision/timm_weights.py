"""Which timm architecture and which weights a config's two words mean."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import timm
from timm.models import (
    get_pretrained_cfg,
    is_model,
    list_models,
    load_checkpoint,
    split_model_name_tag,
)
from torch import nn

from llm_mde_mm.utils.errors import ConfigError, WeightsError

_WEIGHT_FILES = ('model.safetensors', 'pytorch_model.bin', 'model.pth')
# Behind the patch tokens; pruned, so a file may lack it.
_POOLING = ('fc_norm.', 'attn_pool.')


class TimmSource(NamedTuple):
    """A timm model and where its weights come from.

    Attributes:
        model_name (str): timm name, with its tag if it has one.
        file (Path | None): Local weights, or None.
        hub (bool): Whether the weights come from the hub.
        mean (tuple): The mean that the model was trained with, RGB in 0..1.
        std (tuple): The standard deviation, likewise.
    """

    model_name: str
    file: Path | None
    hub: bool
    mean: tuple[float, ...]
    std: tuple[float, ...]


def _description(file: Path) -> dict:
    """What timm wrote beside the weights, empty where there is none."""
    if not file.is_file():
        return {}
    try:
        described = json.loads(file.read_text())
    except ValueError as error:
        raise WeightsError(f'{file} is no JSON: {error}') from error
    if not isinstance(described, dict):
        raise WeightsError(f'{file} is no description of a timm model')
    return described


def _local(model_name: str, path: Path) -> TimmSource:
    file, described = path, {}
    if path.is_dir():
        found = [path / n for n in _WEIGHT_FILES if (path / n).is_file()]
        if not found:
            raise WeightsError(
                f'{path} holds none of {", ".join(_WEIGHT_FILES)}'
            )
        file = found[0]
        described = _description(path / 'config.json')
    # A folder saved by timm names its own architecture and normalisation.
    name = described.get('architecture', model_name)
    known = known_model(name)
    cfg = described.get('pretrained_cfg') or {}
    return TimmSource(
        name,
        file,
        False,
        tuple(cfg.get('mean', known.mean)),
        tuple(cfg.get('std', known.std)),
    )


def known_model(name: str) -> Any:
    """Timm's description of a model.

    Raises:
        ConfigError: If timm has no model of that name.
    """
    base = split_model_name_tag(name)[0]
    try:
        found = get_pretrained_cfg(name) if is_model(name) else None
    except RuntimeError:  # a tag that the architecture does not have
        found = None
    if found is None:
        pattern = f'{base}.*' if is_model(base) else f'*{base[:12]}*'
        close = list_models(pattern, pretrained=is_model(base))[:5]
        raise ConfigError(
            f'timm {timm.__version__} has no model {name!r}'
            + (f'; near it are {", ".join(close)}' if close else '')
        )
    return found


def find_timm_source(model_name: str, weights: str | None) -> TimmSource:
    """Read the two settings that name a vision model.

    Args:
        model_name (str): timm architecture, used unless ``weights`` brings
            its own.
        weights (str | None): None or 'random'; a local file or folder; or a
            timm name such as 'vit_small_patch14_dinov2.lvd142m', which brings
            its architecture and is fetched from the hub.

    Raises:
        ConfigError: If timm does not know the architecture.
        WeightsError: If a path has no weights.
    """
    if weights in (None, 'random'):
        cfg = known_model(model_name)
        return TimmSource(model_name, None, False, cfg.mean, cfg.std)
    path = Path(weights).expanduser()
    if path.exists():
        return _local(model_name, path)
    name = weights.removeprefix('timm/')
    if '/' in name or name.endswith(('.safetensors', '.bin', '.pth')):
        raise WeightsError(
            f'{weights} does not exist. Give a local file or folder, or a '
            'timm name, through VIT_WEIGHTS or backbone.vision.weights'
        )
    cfg = known_model(name)
    return TimmSource(name, None, True, cfg.mean, cfg.std)


def build_timm(source: TimmSource, **kwargs) -> Any:
    """Create the timm model and load its weights, all of them.

    Args:
        source (TimmSource): Architecture and weights.
        **kwargs: Arguments of timm's constructor. Pooling is left at the
            architecture's own: it decides whether timm normalises tokens.

    Raises:
        WeightsError: If the hub cannot be reached, or the weights lack
            parameters of the architecture.
        ConfigError: If timm refuses an argument.
    """
    if not source.hub:
        kwargs.setdefault('num_classes', 0)
    # From the hub, timm lets parameters be missing as soon as the number of
    # classes is not the weights' own. The classifier is pruned later on.
    try:
        model = timm.create_model(
            source.model_name, pretrained=source.hub, **kwargs
        )
    except (TypeError, ValueError, AssertionError) as error:
        raise ConfigError(
            f'{source.model_name}: {error}; look at model_kwargs and img_size'
        ) from error
    except Exception as error:
        if not source.hub:
            raise
        raise _hub_error(source.model_name, error) from error
    if source.file is not None:
        _load(model, source)
    return model


def _hub_error(name: str, error: Exception) -> WeightsError:
    if 'loading state_dict' in str(error):
        return WeightsError(
            f'the weights of {name} do not fit it, perhaps for the sake of '
            f'model_kwargs: {" ".join(str(error).split())[:300]}'
        )
    return WeightsError(
        f'the weights of {name} could not be fetched '
        f'({type(error).__name__}: {str(error)[:200]}). Without a network '
        'set VIT_WEIGHTS to a local file or folder that holds them, or to '
        '"random"'
    )


def _load(model: Any, source: TimmSource) -> None:
    outcome = _load_file(model, source)
    # Of NumPy's .npz, which timm loads key by key, there is no outcome.
    if outcome is None:
        return
    # The last LayerNorm is `norm` where it was trained on every token, and
    # `fc_norm` where on their mean alone, the tokens staying as they are, as
    # in BEiT and EVA. The file says which, not the architecture's default.
    for one, other in (('norm', 'fc_norm'), ('fc_norm', 'norm')):
        if (
            f'{one}.weight' in outcome.missing_keys
            and f'{other}.weight' in outcome.unexpected_keys
        ):
            model.norm, model.fc_norm = model.fc_norm, model.norm
            outcome = _load_file(model, source)
            break
    missing = [k for k in outcome.missing_keys if not k.startswith(_POOLING)]
    if missing:
        raise WeightsError(
            f'{source.file} lacks {len(missing)} parameters of '
            f'{source.model_name}, the first of them {missing[:3]}: weights '
            'of another architecture?'
        )


def _load_file(model: nn.Module, source: TimmSource) -> Any:
    """The keys that were missing and unexpected, None where timm is silent."""
    # timm keeps one key filter a model family, beside the family's class.
    module = __import__(type(model).__module__, fromlist=['_'])
    try:
        return load_checkpoint(
            model,
            str(source.file),
            strict=False,
            filter_fn=getattr(module, 'checkpoint_filter_fn', None),
        )
    except Exception as error:
        raise WeightsError(
            f'{source.file} does not load into {source.model_name}: '
            f'{str(error)[:300]}'
        ) from error
