"""Merging LoRA and sharing adapters, as a user does."""

import hashlib
import json

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from safetensors import safe_open

from llm_mde_mm.apis import DepthInferencer, launch
from llm_mde_mm.datasets.rooms import render_room
from llm_mde_mm.utils.adapter_file import read_adapter, write_adapter
from llm_mde_mm.utils.checkpoint import find_checkpoint, read_checkpoint
from llm_mde_mm.utils.errors import DamagedError, WeightsError
from llm_mde_mm.utils.frozen_base import base_digest
from tests.tools.conftest import run

PICTURE = render_room(0, 3, size=(60, 80)).image


def depth(cfg, checkpoint):
    return DepthInferencer(cfg, checkpoint, 'cpu')(PICTURE)[0].depth


@pytest.fixture(scope='module')
def want(trained, tiny_config):
    return depth(str(tiny_config), trained)


def test_merged_weights_predict_the_same(trained, tiny_config, tmp_path, want):
    out = tmp_path / 'merged.pth'
    done = run('tools/merge_lora.py', tiny_config, trained, out)
    assert done.returncode == 0, done.stderr[-3000:]
    option = 'model.backbone.language.finetune=frozen'
    assert f'--cfg-options {option}\n' in done.stdout
    assert 'LoRA of 8 layers' in done.stdout
    names = read_checkpoint(out)['state_dict'].keys()
    assert not any('lora' in n or 'base_layer' in n for n in names)
    cfg = launch.load_config(str(tiny_config), dict([option.split('=')]))
    assert np.abs(depth(cfg, out) - want).max() <= 1e-5
    with pytest.raises(WeightsError, match='merged.pth belongs to another'):
        depth(str(tiny_config), out)


def test_a_config_outside_the_default_scope(trained, tiny_config, want):
    cfg = Config.fromfile(tiny_config)
    init_default_scope('mmengine')
    np.testing.assert_array_equal(depth(cfg, trained), want)


def test_an_adapter_goes_out_and_comes_back(
    trained, tiny_config, tmp_path, want
):
    shared, back = tmp_path / 'a.safetensors', tmp_path / 'a.pth'
    for source, out in ((trained, shared), (shared, back)):
        done = run('tools/convert_adapter.py', source, out)
        assert done.returncode == 0, done.stderr[-3000:]
        assert 'tensors, 0 left' in done.stdout
    for file in (shared, back):
        np.testing.assert_array_equal(depth(str(tiny_config), file), want)
    best = read_checkpoint(find_checkpoint(trained))
    with safe_open(shared, framework='pt') as file:
        about = file.metadata()
        assert set(file.keys()) == best['state_dict'].keys()
    digest = hashlib.sha256(best['meta']['cfg'].encode()).hexdigest()
    assert about['config_digest'] == digest
    versions = json.loads(about['versions'])
    assert torch.__version__.startswith(versions['torch'])
    # No name of a folder of this machine goes out with it.
    assert str(tmp_path.parent) not in str(about)
    state = read_checkpoint(back)
    assert 'optimizer' not in state and 'message_hub' not in state
    # What it says of itself outlives another turn.
    again = tmp_path / 'b.safetensors'
    write_adapter(state, again)
    with safe_open(again, framework='pt') as file:
        assert file.metadata() == about
    assert about['epoch'] == str(best['meta']['epoch']) != ''


def test_a_changed_adapter_is_noticed(trained, tmp_path):
    path = tmp_path / 'a.safetensors'
    write_adapter(read_checkpoint(find_checkpoint(trained)), path)
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[-9] ^= 1
    path.write_bytes(bytes(flipped))
    with pytest.raises(DamagedError, match='a.safetensors is damaged'):
        read_adapter(path)
    path.write_bytes(whole[:-9])
    with pytest.raises(DamagedError, match='a.safetensors cannot be read'):
        read_adapter(path)
    none = base_digest({})
    path.write_bytes(whole.replace(none.encode(), none[::-1].encode()))
    with pytest.raises(DamagedError, match='its base has another digest'):
        read_adapter(path)
