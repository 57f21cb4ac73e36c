"""Two processes over gloo train what one does."""

import json
import os
import subprocess
import sys

import pytest
import torch
from mmengine._strategy import FSDPStrategy
from mmengine.config import Config
from mmengine.optim import OptimWrapperDict
from mmengine.runner import FlexibleRunner, Runner
from mmseg.registry import MODELS
from torch import nn
from torch.distributed.fsdp import ShardingStrategy

from llm_mde_mm.apis import launch
from llm_mde_mm.engine import processes
from llm_mde_mm.engine.depth_runner import DepthRunner
from llm_mde_mm.engine.processes import check_norm_layers, start_gloo
from llm_mde_mm.engine.sharded_parts import transformer_blocks
from llm_mde_mm.engine.sharded_runner import ShardedRunner
from llm_mde_mm.engine.sharded_strategy import ShardedStrategy
from llm_mde_mm.utils.checkpoint import load_model, read_checkpoint
from llm_mde_mm.utils.errors import ConfigError
from tests.engine import process_worker as worker
from tests.tools.conftest import ROOT


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('processes')


@pytest.fixture(scope='module')
def two(folder):
    """What each of two processes found out."""
    here = dict(PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1', MKL_NUM_THREADS='1')
    processes = [
        subprocess.Popen(
            [sys.executable, worker.__file__, str(rank), str(folder)],
            cwd=folder,
            env=os.environ | here,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        for rank in (0, 1)
    ]
    try:
        for process in processes:
            _, errors = process.communicate(timeout=480)
            assert process.returncode == 0, errors[-3000:]
    finally:
        for process in processes:
            process.kill()
    return [torch.load(folder / f'{rank}.pt') for rank in (0, 1)]


def flat(gradients):
    return torch.cat([g.flatten() for g in gradients.values()])


def test_the_gradients_are_those_of_one_process(two, tmp_path):
    """Also where processes differ in how many pictures have a measurement."""
    losses, gradients = worker.gradients(
        {**worker.NO_DROPOUT, **worker.SUPERVISED}, str(tmp_path)
    )
    (first_losses, first), (second_losses, second) = (
        result['gradients'] for result in two
    )
    assert len(gradients) == len(first) == len(worker.STEPS)
    for step, one in enumerate(gradients):
        assert list(first[step]) == list(one)
        assert torch.equal(flat(first[step]), flat(second[step]))
        difference = (flat(first[step]) - flat(one)).norm()
        assert difference <= 1e-6 * flat(one).norm(), step
        mean = (first_losses[step] + second_losses[step]) / 2
        assert mean == pytest.approx(losses[step], rel=1e-6)
    # The fourth step has no measurement at all.
    assert [bool(flat(one).any()) for one in gradients] == [
        '1' in step for step in worker.STEPS
    ]


@pytest.mark.parametrize('variant', worker.VARIANTS)
def test_every_trained_parameter_gets_a_gradient(two, variant):
    """DDP without find_unused_parameters would stop, or wait, otherwise."""
    for result in two:
        losses, steps = result['variants'][variant]
        assert len(steps) == 3
        for gradients in steps:
            assert len(gradients) > 10
            for name, gradient in gradients.items():
                assert gradient is not None, name
                assert torch.isfinite(gradient).all(), name


def test_sync_bn_is_refused_on_cpus(two):
    for result in two:
        assert 'decode_head.blocks.0.norm1' in result['sync_bn']
        assert "norm_cfg=dict(type='GN'" in result['sync_bn']


def test_batch_norm_that_is_not_shared(monkeypatch):
    said = []
    monkeypatch.setattr(
        processes, 'print_log', lambda *args: said.append(args)
    )
    model = nn.Sequential(nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8))
    check_norm_layers(model)
    assert not said
    monkeypatch.setattr(processes, 'get_world_size', lambda: 2)
    check_norm_layers(nn.Sequential(nn.GroupNorm(2, 8)))
    assert not said
    check_norm_layers(model)
    assert said[0][0].startswith('1 layers are BN, the first of them 1: each')


def test_fsdp_has_the_losses_of_ddp(two):
    """Ten steps, some of them again after a cut.

    Once the last checkpoint is damaged and the one before it is taken, once
    one process got a signal inside an epoch.
    """
    for result in two:
        assert len(result['ddp']) == 10
        assert result['fsdp'] == pytest.approx(result['ddp'], rel=1e-6)
        assert result['resumed'] == pytest.approx(result['ddp'][5:], rel=1e-6)
        left = len(result['cut'])
        assert 5 < left < 10
        assert result['cut'] == pytest.approx(result['ddp'][-left:], rel=1e-6)


def test_what_fsdp_writes_and_refuses(two, folder):
    for result in two:
        assert result['stop'] == str(folder / 'cut' / 'interrupted.pth')
        assert 'the loss of step 1 is not finite' in result['poisoned']
        assert '(process 1). ' in result['poisoned']
        assert '(process 0)' not in result['poisoned']
        assert 'adapter.pth is an adapter' in result['adapter']
        assert 'belongs to another config: 1 tensors' in result['other']
        assert 'model.decode_head.max_depth: 10' in result['settings']
        assert 'randomness.seed is 0, here 5' in result['seed']
    # Scores are gathered in the log folder.
    assert not (folder / '.dist_test').exists()
    record = json.loads((folder / 'fsdp' / 'run.json').read_text())
    assert record['processes'] == 2
    names = {path.name for path in (folder / 'cut').glob('*.pth')}
    assert names > {'epoch_1.pth', 'epoch_2.pth'}
    assert 'interrupted.pth' not in names
    pointer = folder / 'cut' / 'last_checkpoint'
    assert pointer.read_text() == 'epoch_2.pth'


@pytest.mark.parametrize('name', ['fsdp', 'resumed', 'cut'])
def test_a_checkpoint_of_fsdp_is_that_of_ddp(two, folder, name):
    want = read_checkpoint(folder / 'ddp' / 'epoch_2.pth')
    path = folder / name / 'epoch_2.pth'
    got = read_checkpoint(path)
    assert got['meta']['epoch'] == want['meta']['epoch'] == 2
    # Without any wrapper, as for a prediction.
    model = MODELS.build(launch.load_config(folder / 'rooms_0.py').model)
    load_model(model.double(), path)
    state = model.state_dict()
    assert state.keys() == want['state_dict'].keys()
    for key, tensor in want['state_dict'].items():
        torch.testing.assert_close(state[key], tensor, rtol=1e-6, atol=1e-9)


def test_fsdp_needs_a_launcher(tmp_path):
    options = dict(work_dir=str(tmp_path), runner_type='ShardedRunner')
    cfg = launch.load_config(ROOT / 'configs/quickstart/rooms.py', options)
    with pytest.raises(ConfigError, match='tools/dist_train.sh'):
        launch.build_runner(cfg)


@pytest.mark.parametrize('given', ['NO_SHARD', ShardingStrategy.HYBRID_SHARD])
def test_fsdp_spreads_over_all_processes(given):
    strategy = object.__new__(ShardedStrategy)
    strategy.model_wrapper = dict(sharding_strategy=given)
    with pytest.raises(ConfigError, match=r"sharding_strategy is '\w+_SHARD'"):
        strategy._wrap_model(None)


def test_fsdp_has_one_optimizer(monkeypatch):
    several = OptimWrapperDict()
    monkeypatch.setattr(
        FSDPStrategy, 'build_optim_wrapper', lambda *_: several
    )
    with pytest.raises(ConfigError, match='paramwise_cfg.custom_keys'):
        object.__new__(ShardedStrategy).build_optim_wrapper({})


@pytest.mark.parametrize(
    ('ours', 'theirs'),
    [(DepthRunner, Runner), (ShardedRunner, FlexibleRunner)],
)
def test_the_seed_reaches_the_draw(ours, theirs, monkeypatch):
    monkeypatch.setattr(theirs, 'from_cfg', classmethod(lambda _, cfg: cfg))
    loader = dict(dataset=dict(subset=dict(shots=1)))
    cfg = Config(dict(randomness=dict(seed=3), train_dataloader=loader))
    built = ours.from_cfg(cfg).train_dataloader.dataset
    assert built.subset.seed == 3
    assert 'seed' not in cfg.train_dataloader.dataset.subset


def test_mpirun_names_rank_and_size(monkeypatch):
    for name in ('MASTER_ADDR', 'MASTER_PORT', 'RANK', 'WORLD_SIZE'):
        monkeypatch.setenv(name, 'what another test left')
    monkeypatch.delenv('MASTER_ADDR')
    monkeypatch.setenv('MASTER_PORT', '29531')
    monkeypatch.setenv('LOCAL_RANK', '-')
    for name, value in dict(RANK='0', SIZE='1', LOCAL_RANK='0').items():
        monkeypatch.setenv(f'OMPI_COMM_WORLD_{name}', value)
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    start_gloo('mpi', None)
    try:
        assert torch.distributed.get_world_size() == 1
    finally:
        torch.distributed.destroy_process_group()


def test_the_units_of_fsdp_are_the_transformer_blocks(build, tiny_model_cfg):
    backbone = build(tiny_model_cfg(backbone__language__lora=None)).backbone
    units = transformer_blocks(backbone)
    assert units == [
        *backbone.vision.model.blocks,
        *backbone.language.model.encoder.layer,
    ]
    # No list of layers in there, and nothing to take for one.
    control = dict(backbone__language__control='identity')
    backbone = build(tiny_model_cfg(**control)).backbone
    assert transformer_blocks(backbone) == [*backbone.vision.model.blocks]
