"""One process of several that train; run by test_processes.py."""

import math
import os
import shutil
import signal
import sys

import torch
import torch.distributed as dist
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import HOOKS, MODELS
from mmseg.structures import SegDataSample

from llm_mde_mm.apis import launch
from llm_mde_mm.engine import DepthRunner
from llm_mde_mm.utils.errors import (
    ConfigError,
    NonFiniteError,
    TrainingInterrupted,
    WeightsError,
)
from tests.conftest import TINY_MODEL, _factory
from tests.tools.conftest import CONFIG, ROOT

FSDP_CONFIG = 'configs/llm_mde_nyu_fewshot_fsdp.py'

# Which of a step's four pictures have a measurement. Processes take every
# second one: with two, the second and third step leave them 2 and 0, 2 and 1
# pictures that count, and the fourth step none.
STEPS = ('1111', '1010', '1110', '0000', '1111')
NO_DROPOUT = dict(
    backbone__language__dropout=0.0, backbone__reprogramming__dropout=0.0
)
SUPERVISED = dict(
    backbone__prompt__distance_mode='learned',
    backbone__prompt__distance_loss_weight=0.5,
)


def _scheme(finetune):
    lora = dict(rank=2, alpha=4) if finetune == 'lora' else None
    return {
        f'backbone__{part}__{key}': value
        for part in ('vision', 'language')
        for key, value in (('finetune', finetune), ('lora', lora))
    }


# What decides which parameters there are and where they are read.
VARIANTS = {
    **{
        f'prompt {mode}': dict(backbone__prompt__mode=mode)
        for mode in ('none', 'fixed')
    },
    'distance learned': dict(backbone__prompt__distance_mode='learned'),
    'distance supervised': SUPERVISED,
    **{
        f'control {control}': dict(backbone__language__control=control)
        for control in ('identity', 'random', 'attention')
    },
    **{f'finetune {f}': _scheme(f) for f in ('frozen', 'lora', 'full')},
    'path round the model': dict(neck__vision_channels=24),
    'several blocks, low rank': dict(
        backbone__vision__blocks=[0, 1],
        neck__vision_channels=[24, 24],
        backbone__prototypes__prototype_rank=3,
    ),
}


def batch(step, rank, world_size):
    """This process's share of the four pictures of a step."""
    generator = torch.Generator().manual_seed(step)
    pictures = torch.randint(
        0, 256, (4, 3, 32, 48), generator=generator, dtype=torch.uint8
    )
    depths = torch.rand(4, 1, 32, 48, generator=generator).double() * 5 + 0.5
    keep = torch.tensor([int(c) for c in STEPS[step]]).view(4, 1, 1, 1)
    samples = [
        SegDataSample(
            gt_depth_map=PixelData(data=depth),
            metainfo=dict(ori_shape=(32, 48), img_shape=(32, 48)),
        )
        for depth in depths * keep
    ]
    mine = slice(rank, None, world_size)
    return dict(inputs=list(pictures[mine]), data_samples=samples[mine])


def tiny_runner(changes, folder, world_size):
    init_default_scope('mmseg')
    torch.manual_seed(0)
    model = MODELS.build(_factory(TINY_MODEL)(**changes))
    return DepthRunner(
        model,
        work_dir=folder,
        launcher='none' if world_size == 1 else 'pytorch',
        log_level='ERROR',
        experiment_name=f'{os.urandom(4).hex()}',
        cfg=dict(model_dtype='float64'),
    )


def gradients(changes, folder, rank=0, world_size=1, steps=(0, 1, 2, 3, 4)):
    """Loss and every gradient of each step, trained by AdamW."""
    runner = tiny_runner(changes, folder, world_size)
    trained = {
        name.removeprefix('module.'): parameter
        for name, parameter in runner.model.named_parameters()
        if parameter.requires_grad
    }
    optimizer = torch.optim.AdamW(trained.values(), lr=1e-3)
    wrapper = OptimWrapper(optimizer)
    seen = []
    optimizer.register_step_pre_hook(
        lambda *_: seen.append(
            {
                name: None if p.grad is None else p.grad.clone()
                for name, p in trained.items()
            }
        )
    )
    losses = [
        runner.model.train_step(batch(i, rank, world_size), wrapper)
        for i in steps
    ]
    return [loss['loss'].item() for loss in losses], seen


@HOOKS.register_module()
class LossHook(Hook):
    """Keep the loss of each step."""

    def __init__(self):
        self.losses = []

    def after_train_iter(self, runner, batch_idx, data_batch, outputs):
        self.losses.append(outputs['loss'].item())


class StopHook(Hook):
    """Send this process a signal in the second of ten steps."""

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == 1:
            os.kill(os.getpid(), signal.SIGTERM)


class PoisonHook(Hook):
    """Have this process's loss be no number."""

    def before_train(self, runner):
        guarded = runner.optim_wrapper.backward
        runner.optim_wrapper.backward = lambda loss: guarded(loss * math.nan)


def rooms(folder, *hooks, **options):
    """Train on rendered rooms for two epochs of five steps."""
    path = f'{folder}/rooms_{dist.get_rank()}.py'
    with open(path, 'w') as file:
        file.write(CONFIG)
    cfg = launch.load_config(
        path,
        dict(
            model_dtype='float64',
            launcher='pytorch',
            log_level='ERROR',
            **{
                'model.backbone.vision.with_cp': True,
                'train_dataloader.dataset.num_rooms': 20,
                'train_dataloader.batch_size': 2,
                'optim_wrapper.paramwise_cfg.custom_keys': {
                    'backbone.vision': dict(lr_mult=0.2)
                },
            },
        )
        | options,
    )
    if cfg.runner_type == 'ShardedRunner':
        # What the shipped config has in the place of the base's.
        sharded = launch.load_config(f'{ROOT}/{FSDP_CONFIG}')
        cfg.optim_wrapper.type = sharded.optim_wrapper.type
        cfg.default_hooks = sharded.default_hooks
        cfg.custom_hooks = sharded.custom_hooks
    hook = LossHook()
    runner = launch.build_runner(cfg)
    for each in (hook, *hooks):
        runner.register_hook(each)
    runner.train()
    return hook.losses


# A file that a run goes on from, and what it changes.
REFUSED = {
    'adapter': ('adapter.pth', {}),
    'other': ('other.pth', {}),
    'settings': ('fsdp/epoch_1.pth', {'model.decode_head.max_depth': 80}),
    'seed': ('fsdp/epoch_1.pth', {'randomness.seed': 5}),
}


def damaged_copies(folder):
    """A run whose last file is cut short, and checkpoints that do not fit."""
    shutil.copytree(f'{folder}/fsdp', f'{folder}/resumed')
    os.truncate(f'{folder}/resumed/epoch_2.pth', 10_000)
    checkpoint = torch.load(f'{folder}/fsdp/epoch_1.pth', weights_only=True)
    state = checkpoint['state_dict']
    torch.save(
        dict(checkpoint, base={'backbone.x': 'f' * 32}),
        f'{folder}/adapter.pth',
    )
    state.popitem()
    torch.save(checkpoint, f'{folder}/other.pth')


def main(rank, folder):
    init_default_scope('mmseg')
    world_size = 2
    os.environ['LOCAL_RANK'] = str(rank)
    dist.init_process_group(
        'gloo',
        init_method=f'file://{folder}/store',
        rank=rank,
        world_size=world_size,
    )
    torch.set_num_threads(1)
    results = {}
    try:
        tiny_runner(dict(decode_head__norm_cfg=dict(type='SyncBN')), folder, 2)
    except ConfigError as error:
        results['sync_bn'] = str(error)
    results['gradients'] = gradients(
        {**NO_DROPOUT, **SUPERVISED}, folder, rank, world_size
    )
    # DDP notices in the step after that a parameter had no gradient.
    results['variants'] = {
        name: gradients(changes, folder, rank, world_size, steps=(1, 3, 0))
        for name, changes in VARIANTS.items()
    }
    results['ddp'] = rooms(
        folder,
        work_dir=f'{folder}/ddp',
        **{'default_hooks.checkpoint.content': 'full'},
    )
    results['fsdp'] = rooms(
        folder, work_dir=f'{folder}/fsdp', runner_type='ShardedRunner'
    )
    if rank == 0:
        damaged_copies(folder)
    dist.barrier()
    sharded = dict(runner_type='ShardedRunner', resume=True)
    # The newest checkpoint is damaged.
    results['resumed'] = rooms(folder, work_dir=f'{folder}/resumed', **sharded)
    for name, (file, changes) in REFUSED.items():
        try:
            rooms(
                folder,
                work_dir=f'{folder}/{name}',
                load_from=f'{folder}/{file}',
                **sharded,
                **changes,
            )
        except WeightsError as error:
            results[name] = str(error)
    sharded['work_dir'] = f'{folder}/cut'
    try:
        rooms(folder, *[StopHook()] * rank, **sharded)
    except TrainingInterrupted as stop:
        results['stop'] = stop.checkpoint
    results['cut'] = rooms(folder, **sharded)
    sharded['work_dir'] = f'{folder}/poisoned'
    try:
        rooms(folder, *[PoisonHook()] * rank, **sharded)
    except NonFiniteError as error:
        results['poisoned'] = str(error)
    torch.save(results, f'{folder}/{rank}.pt')
    dist.barrier()
    dist.destroy_process_group()


if __name__ == '__main__':
    main(int(sys.argv[1]), sys.argv[2])
