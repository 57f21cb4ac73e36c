"""Every mistake that a user is likely to make gets its own clear error."""

import copy
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from mmengine.runner import Runner
from mmseg.registry import DATASETS, MODELS

from llm_mde_mm.apis import DepthInferencer, launch
from llm_mde_mm.apis.picture_inputs import picture_files
from llm_mde_mm.apis.prediction_files import OUTPUTS, check_outputs
from llm_mde_mm.engine import DepthRunner
from llm_mde_mm.engine.hooks import SafeCheckpointHook
from llm_mde_mm.utils.checkpoint import find_checkpoint, read_checkpoint
from llm_mde_mm.utils.errors import (
    ConfigError,
    DataError,
    WeightsError,
    WriteError,
)
from tests.tools.conftest import ROOT
from tools import check_data

NYU = str(ROOT / 'configs/llm_mde_nyu_fewshot.py')
ROOMS = str(ROOT / 'configs/quickstart/rooms.py')


@pytest.fixture
def nyu_root(tmp_path, monkeypatch):
    """A tree in the NYU layout with two pictures in each split."""
    for split in ('train', 'test'):
        for kind in ('images', 'annotations'):
            (tmp_path / kind / split).mkdir(parents=True)
        for index in range(2):
            name = f'{split}/kitchen_{index:05d}'
            cv2.imwrite(
                str(tmp_path / f'images/{name}.jpg'),
                np.full((48, 64, 3), 90, np.uint8),
            )
            cv2.imwrite(
                str(tmp_path / f'annotations/{name}.png'),
                np.full((48, 64), 2000, np.uint16),
            )
    monkeypatch.setenv('NYU_ROOT', str(tmp_path))
    return tmp_path


def test_dataset(cfg, split):
    return DATASETS.build(cfg[f'{split}_dataloader'].dataset)


test_dataset.__test__ = False


def test_no_data_root(monkeypatch, tmp_path):
    monkeypatch.setenv('NYU_ROOT', str(tmp_path / 'gone'))
    with pytest.raises(DataError, match='gone.*NYU_ROOT'):
        launch.check_data(launch.load_config(NYU), ('train',))


def test_empty_split(nyu_root):
    for file in (nyu_root / 'images/train').iterdir():
        file.unlink()
    for file in (nyu_root / 'annotations/train').iterdir():
        file.unlink()
    with pytest.raises(DataError, match="split 'train' is empty"):
        launch.check_data(launch.load_config(NYU), ('train',))


def test_missing_depth_file(nyu_root):
    (nyu_root / 'annotations/test/kitchen_00001.png').unlink()
    with pytest.raises(DataError, match='1 of 2 .*kitchen_00001.png'):
        launch.check_data(launch.load_config(NYU), ('test',))


@pytest.mark.parametrize(
    ('depth', 'message'),
    [
        (np.full((24, 32), 2000, np.uint16), r'kitchen_00000.*24.*32.*48.*64'),
        (np.full((48, 64), 20, np.uint8), r'kitchen_00000.*8-bit'),
    ],
)
def test_unfit_depth_file(nyu_root, depth, message):
    path = nyu_root / 'annotations/test/kitchen_00000.png'
    cv2.imwrite(str(path), depth)
    dataset = test_dataset(launch.load_config(NYU), 'test')
    with pytest.raises(DataError, match=message):
        dataset[0]


def test_misspelt_part():
    cfg = launch.load_config(ROOMS)
    cfg.model.decode_head.type = 'AdaptionHead'
    with pytest.raises(ConfigError, match='AdaptionHead'):
        launch.build_runner(cfg)


def test_a_work_dir_that_cannot_be(tmp_path):
    (tmp_path / 'file').touch()
    options = dict(work_dir=str(tmp_path / 'file/run'))
    with pytest.raises(ConfigError, match='file/run cannot be written.*Not a'):
        launch.build_runner(launch.load_config(ROOMS, options))


def test_a_model_dtype_that_is_none(tmp_path):
    for name in ('int8', 'single'):
        options = dict(model_dtype=name, work_dir=str(tmp_path))
        with pytest.raises(ConfigError, match=f"model_dtype is '{name}'"):
            launch.build_runner(launch.load_config(ROOMS, options))


@pytest.mark.parametrize('prefix', [None, 'a'])
def test_metrics_whose_scores_share_names(prefix):
    metric = dict(type='MonocularDepthMetric', prefix=prefix)
    other = dict(type='MonocularDepthMetric', protocol='midas', prefix='b')
    runner = DepthRunner.__new__(DepthRunner)
    runner._log_dir = 'logs'
    build = runner.build_evaluator
    for good in (metric, [metric, other, dict(type='ValidationLoss')]):
        assert build(good).metrics[0].prefix == (prefix or '')
    with pytest.raises(ConfigError, match=f"prefix '{prefix or ''}', so"):
        build([metric, {**other, 'prefix': prefix}])


def test_lora_pattern_that_matches_nothing():
    cfg = launch.load_config(ROOMS)
    cfg.model.backbone.language.lora.targets = 'q_proj'
    with pytest.raises(ConfigError, match="'q_proj' matches no linear layer"):
        MODELS.build(cfg.model)


def test_no_network_for_hub_weights(monkeypatch):
    import timm

    def offline(*args, **kwargs):
        raise OSError('no route to host')

    monkeypatch.setenv('VIT_WEIGHTS', 'vit_base_patch16_224.augreg_in21k')
    monkeypatch.setattr(timm, 'create_model', offline)
    with pytest.raises(WeightsError, match='VIT_WEIGHTS'):
        MODELS.build(launch.load_config(NYU).model)


def test_no_config_file(tmp_path):
    with pytest.raises(ConfigError, match='nowhere.py'):
        launch.load_config('nowhere.py')
    child = tmp_path / 'child.py'
    child.write_text("_base_ = './gone.py'\n")
    with pytest.raises(ConfigError, match='child.py: .*gone.py'):
        launch.load_config(str(child))


def test_a_variable_that_is_set_to_nothing(monkeypatch):
    monkeypatch.setenv('NYU_ROOT', '')
    with pytest.raises(ConfigError, match='fewshot.py: .NYU_ROOT. cannot'):
        launch.load_config(NYU)


@pytest.mark.parametrize('name', ['NYU_ROOT', 'LLM_WEIGHTS'])
def test_a_variable_with_an_apostrophe(monkeypatch, name):
    monkeypatch.setenv('NYU_ROOT', 'data')
    monkeypatch.setenv(name, "/data/Ann's")
    with pytest.raises(ConfigError, match=f'{name}: no apostrophe'):
        launch.load_config(NYU)


@pytest.mark.parametrize(
    'key',
    ['train_cfg.val_interval', 'train_cfg.max_epochs']
    + [f'{split}_dataloader.batch_size' for split in ('train', 'test')],
)
def test_a_count_that_is_too_low(key):
    with pytest.raises(ConfigError, match=f'{key} is 0: it takes 1 or more'):
        launch.load_config(ROOMS, {key: 0})
    assert launch.load_config(ROOMS, {key: 1})
    options = {'val_dataloader.num_workers': -1}
    with pytest.raises(ConfigError, match='is -1: it takes 0 or more'):
        launch.load_config(ROOMS, options)


def test_loading_without_processes():
    options = {'test_dataloader.num_workers': 0}
    cfg = launch.load_config(ROOMS, options)
    assert cfg.train_dataloader.persistent_workers
    cfg.test_dataloader.dataset.num_rooms = 1
    assert len(Runner.build_dataloader(cfg.test_dataloader)) == 1


def test_rendered_rooms_of_several_seeds_are_not_shared(tmp_path, run_here):
    config = tmp_path / 'rooms.py'
    parts = ''.join(
        f'{split}_dataloader = dict(dataset=dict(num_rooms=2, seed={seed}, '
        'first_index=0))\n'
        for seed, split in enumerate(('train', 'val', 'test'))
    )
    config.write_text(f"_base_ = '{ROOMS}'\n{parts}")
    assert '0 bad' in run_here('tools/check_data.py', config)


def test_a_config_that_fails(tmp_path):
    path = tmp_path / 'c.py'
    path.write_text("a = int('x')\n")
    with pytest.raises(ConfigError, match=f'config {path}: invalid literal'):
        launch.load_config(str(path))


def test_a_misspelt_option():
    with pytest.raises(ConfigError, match="'randomnes'; did you mean random"):
        launch.load_config(ROOMS, {'randomnes.seed': 3})
    with pytest.raises(ConfigError, match='few_shot is a variable of the con'):
        launch.load_config(NYU, {'few_shot.shots': 4})
    options = {'randomness.seed': 3, 'load_from': 'a', 'strategy.a': 1}
    assert launch.load_config(ROOMS, options).randomness.seed == 3


def test_an_option_without_a_value(capsys):
    parser = launch.tool_parser('a tool')
    with pytest.raises(SystemExit):
        parser.parse_args([ROOMS, '--cfg-options', 'a=1', 'b'])
    assert "takes KEY=VALUE, got 'b'" in capsys.readouterr().err


def test_an_option_that_holds_a_dict(capsys):
    parser = launch.tool_parser('a tool')
    for value in ('b=[dict(c=1,d=2)]', 'b=[1,(2]'):
        with pytest.raises(SystemExit):
            parser.parse_args([ROOMS, '--cfg-options', 'a=1', value])
        assert f"cannot read '{value}'" in capsys.readouterr().err
    args = parser.parse_args([ROOMS, '--cfg-options', 'a=1', 'b=[2,(3,x)]'])
    assert args.cfg_options == dict(a=1, b=[2, (3, 'x')])


def test_mixed_precision_of_spread_weights_is_set_elsewhere():
    path = ROOT / 'configs/llm_mde_nyu_fewshot_fsdp.py'
    cfg = launch.load_config(str(path))
    with pytest.raises(ConfigError, match='mixed_precision.param_dtype'):
        launch.use_amp(cfg)
    assert cfg.optim_wrapper.type == 'ShardedOptimWrapper'


def test_depth_over_a_picture(tmp_path):
    files = [tmp_path / name for name in ('a.png', 'b.jpg', 'b.png')]
    out = tmp_path / 'out'
    check_outputs(files[:2], out, OUTPUTS)
    with pytest.raises(ConfigError, match='the folder of .*a.png'):
        check_outputs(files[:2], tmp_path, OUTPUTS)
    # A link to a picture that lies where depth would go.
    out.mkdir()
    (out / 'a.png').touch()
    (tmp_path / 'a.png').symlink_to(out / 'a.png')
    with pytest.raises(ConfigError, match='over the picture .*out/a.png'):
        check_outputs(files[:1], out, OUTPUTS)
    check_outputs(files[:1], out, ['npy'])
    (tmp_path / 'a.png').unlink()
    with pytest.raises(ConfigError, match=r'b.jpg and .*b.png would both'):
        check_outputs(files, out, OUTPUTS)
    (tmp_path / 'file').touch()
    with pytest.raises(WriteError, match='file is a file, not a folder'):
        check_outputs(files[:1], tmp_path / 'file', OUTPUTS)


def test_a_key_that_a_part_does_not_take(tmp_path):
    options = {'optim_wrapper.optimizer.lrr': 1e-3, 'work_dir': str(tmp_path)}

    def main():
        cfg = launch.load_config(ROOMS, options)
        launch.build_runner(cfg).train()

    with pytest.raises(SystemExit, match="gives AdamW a key 'lrr'"):
        launch.run_tool(main)


def test_where_a_run_goes_on_from(tmp_path):
    def started(resume):
        cfg = launch.load_config(
            ROOMS, {'work_dir': str(tmp_path), 'load_from': 'weights.pth'}
        )
        launch.go_on(cfg, resume)
        return bool(cfg.get('resume')), cfg.load_from

    assert started('a.pth') == (True, 'a.pth')
    # Nothing to go on with: a start, which is from these weights.
    assert started('auto') == (False, 'weights.pth')
    torch.save({}, tmp_path / 'epoch_1.pth')
    assert started('auto') == (True, None)


def test_no_picture_at_a_time():
    infer = DepthInferencer.__new__(DepthInferencer)
    with pytest.raises(ConfigError, match='batch_size must be 1 or more: 0'):
        infer([], batch_size=0)


def test_hidden_files_are_no_pictures(tmp_path):
    for name in ('._a.jpg', 'a.jpg'):
        (tmp_path / name).touch()
    assert picture_files(tmp_path) == [tmp_path / 'a.jpg']


def test_a_rule_that_does_not_fit_names_its_data(nyu_root):
    cfg = launch.load_config(NYU)
    with pytest.raises(DataError, match="'complement': True.*2 pictures of s"):
        test_dataset(cfg, 'val')


def test_a_best_score_that_validation_lacks(tmp_path):
    hook = SafeCheckpointHook(save_best='loss', rule='less')
    with pytest.raises(
        ConfigError, match='names loss; validation gives abs_rel'
    ):
        hook._save_best_checkpoint(None, dict(abs_rel=0.2))


def test_no_device(tmp_path):
    (tmp_path / 'a.pth').touch()
    for device in ('gpu', 'meta', 'cuda:99'):
        with pytest.raises(ConfigError, match=f"device is '{device}'"):
            DepthInferencer(ROOMS, tmp_path / 'a.pth', device)


@pytest.mark.parametrize(
    ('picture', 'said'),
    [
        (np.zeros((0, 4, 3), np.uint8), r'\(0, 4, 3\) uint8'),
        (None, 'input 0 is a NoneType'),
        (torch.zeros(4, 4, 3), 'input 0 is a Tensor'),
    ],
)
def test_inputs_that_are_no_pictures(picture, said):
    infer = DepthInferencer.__new__(DepthInferencer)
    with pytest.raises(DataError, match=said):
        infer([picture])


def test_flipping_leaves_the_callers_config_alone(tmp_path):
    cfg = launch.load_config(ROOMS)
    before = copy.deepcopy(cfg.model.to_dict())
    with pytest.raises(WeightsError):
        DepthInferencer(cfg, tmp_path / 'gone.pth', flip_tta=True)
    assert cfg.model.to_dict() == before


def test_an_option_below_a_number():
    with pytest.raises(ConfigError, match='train_cfg.max_epochs.a'):
        launch.load_config(ROOMS, {'train_cfg.max_epochs.a': 1})


def test_what_is_no_config(tmp_path):
    for name, text in (('a.txt', b''), ('b.py', b'a = b'), ('c.py', b'\xff')):
        (tmp_path / name).write_bytes(text)
        with pytest.raises(ConfigError, match=f'{name}: '):
            launch.load_config(str(tmp_path / name))


def test_a_record_without_a_seed(tmp_path):
    (tmp_path / 'run.json').write_text('{"config": "a = 1"}')
    with pytest.raises(ConfigError, match="run.json .*'seed'"):
        launch.recorded_config(str(tmp_path))


def test_a_tree_without_splits(tmp_path, monkeypatch):
    (tmp_path / 'images').mkdir()
    for more, said in (
        ([], 'no folder of a split'),
        (['--cfg-options', 'a=1'], 'not --folder'),
    ):
        argv = ['tool', '--folder', str(tmp_path), *more]
        monkeypatch.setattr(sys, 'argv', argv)
        with pytest.raises((ConfigError, DataError), match=said):
            check_data.main()


def test_no_checkpoint(tmp_path):
    with pytest.raises(WeightsError, match='holds no checkpoint'):
        find_checkpoint(tmp_path)
    with pytest.raises(WeightsError, match='there is no checkpoint'):
        DepthInferencer(ROOMS, tmp_path / 'gone.pth')


def test_truncated_checkpoint(tmp_path):
    torch.save({'state_dict': {'a': torch.zeros(1000)}}, tmp_path / 'a.pth')
    whole = (tmp_path / 'a.pth').read_bytes()
    (tmp_path / 'a.pth').write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WeightsError, match='a.pth'):
        read_checkpoint(tmp_path / 'a.pth')


class Hostile:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


def test_hostile_checkpoint_is_not_executed(tmp_path):
    target = tmp_path / 'executed'
    torch.save({'state_dict': {}, 'x': Hostile(target)}, tmp_path / 'a.pth')
    with pytest.raises(WeightsError, match='could run code'):
        read_checkpoint(tmp_path / 'a.pth')
    assert not target.exists()


def test_checkpoint_of_another_config(tmp_path):
    torch.save({'state_dict': {'other': torch.zeros(1)}}, tmp_path / 'a.pth')
    with pytest.raises(WeightsError, match='another config'):
        DepthInferencer(ROOMS, tmp_path / 'a.pth', 'cpu')


def test_opencv_without_its_system_library(tmp_path):
    (tmp_path / 'cv2.py').write_text(
        "raise ImportError('libGL.so.1: cannot open shared object file')"
    )
    done = subprocess.run(
        [sys.executable, str(ROOT / 'tools/train.py'), ROOMS],
        env={**os.environ, 'PYTHONPATH': str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert 'apt-get install libgl1' in done.stderr
