import logging
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.registry import MODEL_WRAPPERS
from mmengine.structures import PixelData
from mmseg.models import DepthEstimator
from mmseg.registry import HOOKS
from mmseg.structures import SegDataSample
from torch import nn

from llm_mde_mm.engine.hooks import prompt_log_hook
from llm_mde_mm.engine.hooks.prompt_log_hook import prompt_sheet
from llm_mde_mm.models.prompts import picture_statistics
from llm_mde_mm.utils.errors import ConfigError

LEARNED = dict(backbone__prompt__distance_mode='learned')
# Training pads to the vision model's size, testing to none.
PADDED = dict(data_preprocessor__size=(32, 48))


def build_hook(**kwargs):
    return HOOKS.build(dict(type='PromptLogHook', **kwargs))


def make_batch(size=(32, 48)):
    samples = [
        SegDataSample(
            gt_depth_map=PixelData(data=torch.ones(1, *size)),
            metainfo=dict(
                img_path=f'/data/kitchen_{i}.jpg',
                img_shape=size,
                ori_shape=size,
            ),
        )
        for i in range(4)
    ]
    pictures = torch.randint(0, 256, (4, 3, *size), dtype=torch.uint8)
    return dict(inputs=list(pictures), data_samples=samples)


class Runner(SimpleNamespace):
    """What the hook uses of MMEngine's."""

    def __init__(self, model, epoch=0):
        images = []
        super().__init__(
            model=model,
            epoch=epoch,
            iter=10 * epoch,
            images=images,
            logger=logging.getLogger('prompt-log-hook'),
            visualizer=SimpleNamespace(
                add_image=lambda *args: images.append(args)
            ),
        )


@pytest.fixture
def make_runner(build, tiny_model_cfg, caplog):
    caplog.set_level(logging.INFO)

    def make(epoch=0, **changes):
        return Runner(build(tiny_model_cfg(**changes)).train(), epoch)

    return make


@pytest.mark.parametrize('changes', [dict(), LEARNED])
def test_the_log_and_the_visualizer_get_the_prompts(
    make_runner, caplog, changes
):
    runner, batch = make_runner(epoch=2, **changes), make_batch()
    build_hook(num_prompts=2).before_train_iter(runner, 0, batch)
    head, *lines = caplog.messages[0].splitlines()
    assert len(caplog.messages) == 1 and head == 'prompts of epoch 3:'
    rgb = torch.stack(batch['inputs']).flip(1).float()
    medians = picture_statistics(rgb)['median'].tolist()
    for i, line in enumerate(lines):
        assert line.startswith(f'  kitchen_{i}.jpg: indoor photograph with')
        assert f'median {medians[i]},' in line
    assert len(lines) == 2
    ((name, image, step),) = runner.images
    assert (name, step, image.dtype) == ('prompts', 20, np.uint8)
    assert image.ndim == 3 and image.shape[2] == 3


def test_more_prompts_than_pictures(make_runner, caplog):
    build_hook(num_prompts=9).before_train_iter(make_runner(), 0, make_batch())
    assert len(caplog.messages[0].splitlines()) == 5


@pytest.mark.parametrize('interval', [1, 3])
def test_once_every_few_epochs(make_runner, interval):
    runner, hook = make_runner(), build_hook(interval=interval)
    logged = []
    for runner.epoch in range(5):
        for batch_idx in range(2):
            before = len(runner.images)
            hook.before_train_iter(runner, batch_idx, make_batch())
            logged += [(runner.epoch, batch_idx)] * (
                len(runner.images) - before
            )
    assert logged == [(e, 0) for e in range(0, 5, interval)]


def test_other_processes_are_silent(make_runner, caplog, monkeypatch):
    monkeypatch.setattr(prompt_log_hook, 'is_main_process', lambda: False)
    runner = make_runner()
    build_hook().before_train_iter(runner, 0, make_batch())
    assert not runner.images and not caplog.messages


def test_models_without_prompts_are_left_alone(
    make_runner, caplog, tiny_model_cfg
):
    without = make_runner(backbone__prompt__mode='none')
    cfg = tiny_model_cfg(neck__in_channels=32)
    del cfg['type']
    for runner in (
        without,
        Runner(nn.Linear(2, 2)),
        Runner(DepthEstimator(**cfg)),
    ):
        build_hook().before_train_iter(runner, 0, make_batch())
        assert not runner.images
    assert not caplog.messages


@MODEL_WRAPPERS.register_module()
class Wrapper(nn.Module):
    """A wrapper as that of data parallelism."""

    def __init__(self, module):
        super().__init__()
        self.module = module


def test_a_wrapped_model_is_unwrapped(make_runner):
    runner = make_runner()
    runner.model = Wrapper(runner.model)
    build_hook().before_train_iter(runner, 0, make_batch())
    assert len(runner.images) == 1


def test_the_prompts_are_those_that_training_reads(make_runner, caplog):
    other = dict(backbone__prompt__type='OtherPromptGenerator')
    runner, batch = make_runner(**other), make_batch()
    build_hook(num_prompts=1).before_train_iter(runner, 0, batch)
    rgb = torch.stack(batch['inputs']).flip(1).float()
    last = picture_statistics(rgb)['median'].tolist()[-1]
    assert f'median {last},' in caplog.messages[0].splitlines()[1]


@pytest.mark.parametrize('changes', [dict(), LEARNED])
def test_training_goes_on_as_if_nothing_had_been(make_runner, changes):
    runner = make_runner(
        backbone__vision__model_kwargs=dict(
            embed_dim=24, depth=2, num_heads=2, drop_path_rate=0.5
        ),
        backbone__vision__with_cp=True,
        **changes,
    )
    model, batch = runner.model, make_batch()
    # A part that a config keeps in eval mode.
    model.neck.eval()
    modes = [module.training for module in model.modules()]
    weights = {k: v.clone() for k, v in model.state_dict().items()}
    inputs = torch.stack(batch['inputs'])
    keys = [set(sample.metainfo) for sample in batch['data_samples']]
    state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    build_hook().before_train_iter(runner, 0, batch)
    assert torch.equal(torch.get_rng_state(), state)
    assert (np.random.get_state()[1] == numpy_state).all()
    assert [module.training for module in model.modules()] == modes
    assert model.backbone.vision.model.grad_checkpointing
    assert all(
        torch.equal(weights[k], v) for k, v in model.state_dict().items()
    )
    assert all(p.grad is None for p in model.parameters())
    assert torch.equal(torch.stack(batch['inputs']), inputs)
    assert [set(sample.metainfo) for sample in batch['data_samples']] == keys
    for sample in batch['data_samples']:
        assert (sample.gt_depth_map.data == 1).all()


@pytest.mark.parametrize('changes', [PADDED, {**PADDED, **LEARNED}])
def test_padding_is_that_of_training(make_runner, caplog, changes):
    batch = make_batch(size=(20, 30))
    for picture in batch['inputs']:
        picture.fill_(255)
    runner = make_runner(**changes)
    build_hook(num_prompts=4).before_train_iter(runner, 0, batch)
    assert caplog.messages[0].count('brightness 100 to 100, median 100') == 4
    data = runner.model.data_preprocessor(batch, training=True)
    assert all('img_padding_size' not in s for s in data['data_samples'])


def test_under_autocast(make_runner, caplog):
    with torch.autocast('cpu', dtype=torch.bfloat16):
        build_hook().before_train_iter(make_runner(**LEARNED), 0, make_batch())
    assert len(caplog.messages) == 1


def test_pictures_without_a_name(make_runner, caplog):
    batch = make_batch()
    for sample in batch['data_samples']:
        del sample.img_path
    build_hook().before_train_iter(make_runner(), 0, batch)
    assert '\n  picture 1: indoor' in caplog.messages[0]


def test_the_sheet_shows_the_pictures():
    """Solid colours at half the size, so that places can be told."""
    colours = np.array([[200, 30, 60], [20, 160, 90]], np.uint8)
    pictures = np.broadcast_to(colours[:, None, None], (2, 80, 160, 3))
    sheet = prompt_sheet(pictures, ['a.jpg', 'b' * 99], ['word ' * 12] * 2)
    assert sheet.dtype == np.uint8
    for colour in colours:
        rows, columns = np.nonzero((sheet == colour).all(-1))
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert abs(height - 160) <= 1 and abs(width - 320) <= 1
        assert len(rows) == height * width
    # Dark ink right of the pictures; none at the edge, where it would be cut.
    assert (sheet[:, 352:] < 100).all(-1).any()
    assert (sheet[:, -4:] == 255).all()


def test_a_long_prompt_gets_room():
    pictures = np.zeros((1, 10, 100, 3), np.uint8)
    short = prompt_sheet(pictures, ['a'], ['word'])
    long = prompt_sheet(pictures, ['a'], ['some words ' * 200])
    assert long.shape[0] > short.shape[0] + 600
    assert (long[-8:] == 255).all()


@pytest.mark.parametrize('name', ['num_prompts', 'interval'])
def test_wrong_settings(name):
    with pytest.raises(ConfigError, match=f'PromptLogHook.{name} is 0'):
        build_hook(**{name: 0})
