"""The linear baseline as a command."""

import json
import sys

import pytest
import torch

from llm_mde_mm.apis import launch
from llm_mde_mm.apis.ridge_probe import fit_ridge_probe
from llm_mde_mm.utils.errors import ConfigError
from tests.rooms_tree import write_rooms_tree
from tests.tools.conftest import ROOT
from tools import fit_ridge_probe as tool

CONFIG = str(ROOT / 'configs/baselines/ridge_probe.py')
TINY = {
    'model.backbone.vision.model_name': 'vit_tiny_patch16_224',
    'model.data_preprocessor.model_name': 'vit_tiny_patch16_224',
    'model.decode_head.in_channels': 3 * 192,
}


@pytest.fixture
def tree(tmp_path, monkeypatch):
    root = write_rooms_tree(tmp_path / 'nyu', train=28, val=3, test=4)
    monkeypatch.setenv('NYU_ROOT', str(root))
    monkeypatch.setenv('VIT_WEIGHTS', 'random')
    monkeypatch.setenv('LLM_WEIGHTS', 'random')


def test_the_command(tree, tmp_path, monkeypatch, capsys):
    out = tmp_path / 'scores.json'
    argv = ['tool', CONFIG, '--work-dir', str(tmp_path), '--out', str(out)]
    argv += ['--cfg-options', *(f'{k}={v}' for k, v in TINY.items())]
    monkeypatch.setattr(sys, 'argv', argv)
    tool.main()
    reports = json.loads(out.read_text())
    splits = reports.pop('splits')
    assert (splits['val']['pictures'], splits['test']['pictures']) == (3, 4)
    assert reports['val']['pictures'] == 3
    assert reports['test']['pictures'] == 4
    said = capsys.readouterr().out
    assert f'penalty {reports["val"]["penalty"]:g}\n' in said
    for split, report in reports.items():
        # Even random tokens say where in the picture a patch is.
        assert report['abs_rel_affine'] < report['constant_abs_rel']
        assert f'{split:5} abs_rel {report["abs_rel"]:.4f}' in said


def test_the_validation_pictures_choose(tree, tmp_path):
    cfg = launch.load_config(CONFIG, TINY)
    cfg.work_dir = str(tmp_path)
    torch.manual_seed(0)
    runner = launch.build_runner(cfg)
    alone = {
        penalty: fit_ridge_probe(runner, [penalty])['val']['abs_rel']
        for penalty in (1e-2, 1e3)
    }
    chosen = fit_ridge_probe(runner, list(alone))['val']
    assert chosen['abs_rel'] == min(alone.values())
    assert alone[chosen['penalty']] == chosen['abs_rel']


def test_what_it_refuses(tree, tmp_path):
    cfg = launch.load_config(CONFIG, TINY)
    cfg.work_dir = str(tmp_path)
    runner = launch.build_runner(cfg)
    with pytest.raises(ConfigError, match='penalties must be above 0'):
        fit_ridge_probe(runner, [1.0, 0.0])
    runner.model.decode_head = torch.nn.Identity()
    with pytest.raises(ConfigError, match='ridge_probe.py'):
        fit_ridge_probe(runner)
