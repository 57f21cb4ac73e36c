"""What a trained model loses when a part of what it reads says nothing."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.runner import Runner
from torch import Tensor, nn

from llm_mde_mm.datasets.wrapped import change_inner
from llm_mde_mm.evaluation.report import collect_reports
from llm_mde_mm.models.features import LLMFeatures
from llm_mde_mm.models.prompts import OtherPromptGenerator, shift_prompts
from llm_mde_mm.utils.errors import ConfigError

from .picture_inputs import READING_STEPS, test_steps

ABLATIONS = dict(
    untouched='the model as it is',
    mean_patches=(
        "the language model's patch states replaced by their mean over all "
        'training pictures, without augmentation, and all positions'
    ),
    zero_prompt="the language model's prompt states replaced by zeros",
    other_prompt='each picture led by the prompt of another one of its batch',
)
"""Names of the ablations and what each does, in words."""


def applicable(model: nn.Module) -> list[str]:
    """Ablations that can change something in a model.

    Args:
        model (nn.Module): An ``LLMDepthEstimator``.

    Returns:
        list[str]: Names, 'untouched' first. Without a prompt none of those
        that change it; with the same for all pictures, or already another
        picture's, not 'other_prompt'.
    """
    names = ['untouched', 'mean_patches']
    prompt = getattr(model.backbone, 'prompt', None)
    if prompt is not None and prompt.length:
        names.append('zero_prompt')
        own = not isinstance(prompt, OtherPromptGenerator)
        if own and prompt.mode == 'adaptive':
            names.append('other_prompt')
    return names


@torch.no_grad()
def mean_patch_state(model: Any, batches: Iterable) -> Tensor:
    """Mean of the patch states over pictures and positions.

    Args:
        model (LLMDepthEstimator): Left in eval mode.
        batches (Iterable): Of a data loader.

    Returns:
        Tensor: ``(D,)``, float32, summed in float64.

    Raises:
        ConfigError: If there is no picture.
    """
    model.eval()
    total, count = None, 0
    for batch in batches:
        data = model.data_preprocessor(batch, False)
        metas = [sample.metainfo for sample in data['data_samples']]
        patch_map = model._run_backbone(data['inputs'], metas).patch_map
        sums = patch_map.double().sum((0, 2, 3))
        total = sums if total is None else total + sums
        count += patch_map.shape[0] * patch_map[0, 0].numel()
    if total is None:
        raise ConfigError('there is no training picture to take a mean over')
    return (total / count).float()


@contextmanager
def ablate(
    model: Any, name: str, mean_state: Tensor | None = None
) -> Iterator[None]:
    """Let a model predict without a part of what it reads, for a while.

    Args:
        model (LLMDepthEstimator): Neither changed nor copied.
        name (str): Of ``ABLATIONS``.
        mean_state (Tensor, optional): ``(D,)``, for 'mean_patches'.

    Raises:
        ConfigError: If the ablation does not exist or changes nothing in
            this model.
    """
    if name not in applicable(model):
        raise ConfigError(
            f'ablation {name!r}: this model has '
            + ', '.join(applicable(model))
        )
    handles = []
    if name == 'mean_patches':
        if mean_state is None:
            raise ConfigError('mean_patches needs the mean state')
        hook = _replace_patches(mean_state)
        handles.append(model.backbone.register_forward_hook(hook))
    elif name == 'zero_prompt':
        handles.append(model.backbone.register_forward_hook(_zero_prompt))
    elif name == 'other_prompt':
        handles.append(
            model.backbone.prompt.register_forward_hook(
                lambda module, inputs, prompt: shift_prompts(prompt)
            )
        )
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _replace_patches(mean_state: Tensor) -> Any:
    def hook(module: nn.Module, inputs: Any, out: LLMFeatures) -> LLMFeatures:
        patch_map = out.patch_map
        mean = mean_state.to(patch_map).view(1, -1, 1, 1)
        return out._replace(patch_map=mean.expand_as(patch_map))

    return hook


def _zero_prompt(
    module: nn.Module, inputs: Any, out: LLMFeatures
) -> LLMFeatures:
    return out._replace(prompt_states=torch.zeros_like(out.prompt_states))


def training_pictures(runner: Runner) -> Any:
    """A loader of the training pictures as a test sees them.

    Args:
        runner (Runner): Whose config has both data sets.
    """
    steps = test_steps(runner.cfg)

    def as_in_a_test(inner: dict) -> None:
        # Those of the test may be rendered, and have no files.
        pipeline = inner.get('pipeline', ())
        own = [s for s in pipeline if s['type'] in READING_STEPS]
        inner.update(pipeline=[*own, *steps], test_mode=True)
        # Which a test refuses.
        for key in ('cache_mb', 'max_damaged'):
            inner.pop(key, None)

    dataset = change_inner(runner.cfg.train_dataloader.dataset, as_in_a_test)
    loader = {**runner.cfg.test_dataloader, 'dataset': dataset}
    return runner.build_dataloader(loader)


def run_ablations(
    runner: Runner, names: Sequence[str] | None = None
) -> dict[str, dict[str, Any]]:
    """Test a model as it is and under each ablation, on the same pictures.

    Args:
        runner (Runner): Of one process, with the weights of a training.
        names (Sequence[str], optional): Of ``ABLATIONS``; all that apply by
            default, without 'other_prompt' where a batch is one picture.

    Returns:
        dict[str, dict]: For each, the report of the runner's metrics and
        ``what``, the ablation in words; of 'mean_patches' also
        ``training_pictures``, how many the mean is over.
    """
    model: Any = runner.model
    data = runner.test_dataloader
    if names is None:
        names = applicable(model)
        if 1 in (data.batch_size, len(data.dataset) % data.batch_size):
            # A picture alone has no other to take a prompt from.
            names = [name for name in names if name != 'other_prompt']
    mean, extra = None, {}
    if 'mean_patches' in names:
        loader = training_pictures(runner)
        mean = mean_patch_state(model, loader)
        extra = dict(training_pictures=len(loader.dataset))
    reports = {}
    for name in names:
        runner.logger.info(f'ablation {name}: {ABLATIONS[name]}')
        with ablate(model, name, mean):
            runner.test()
        report: dict[str, Any] = dict(what=ABLATIONS[name])
        if name == 'mean_patches':
            report.update(extra)
        report.update(collect_reports(runner.test_loop.evaluator.metrics))
        reports[name] = report
    return reports
