"""What exact resume, signals and the NaN guard cost a training.

    python tests/reliability/cost_of_safety.py [EPOCHS]

Epochs of the quickstart's model with them and as MMEngine's own loop makes
them, in turn, in one training; loading is part of both. Then a save, beside
having torch write the same to the disk.
"""

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch
from mmengine.runner import EpochBasedTrainLoop
from mmseg.registry import LOOPS

from llm_mde_mm.apis.launch import build_runner, load_config
from llm_mde_mm.engine import (
    FiniteLossHook,
    ResumableEpochLoop,
    ResumeStateHook,
    RunRecordHook,
)
from llm_mde_mm.utils.checkpoint_writing import write_checkpoint

SAFETY = (FiniteLossHook, ResumeStateHook, RunRecordHook)
SAVES = 7


@LOOPS.register_module()
class AlternatingLoop(ResumableEpochLoop):
    """Every second epoch is MMEngine's own; each is timed."""

    is_safe = False

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.times = {False: [], True: []}

    def run_iter(self, idx, data_batch):
        kind = ResumableEpochLoop if self.is_safe else EpochBasedTrainLoop
        kind.run_iter(self, idx, data_batch)

    def run_epoch(self):
        self.is_safe = not self.is_safe
        runner, hooks = self.runner, self.runner._hooks
        guard = next(h for h in hooks if isinstance(h, FiniteLossHook))
        run = super().run_epoch
        if not self.is_safe:
            guard.after_train(runner)
            runner._hooks = [h for h in hooks if not isinstance(h, SAFETY)]
            run = super(ResumableEpochLoop, self).run_epoch
        start = time.perf_counter(), time.process_time()
        run()
        self.times[self.is_safe].append(
            (time.perf_counter() - start[0], time.process_time() - start[1])
        )
        runner._hooks = hooks
        if not self.is_safe:
            guard.before_train(runner)


def saving(save, path):
    """Median seconds of a save, and of torch's alone; bytes."""
    saves, writes = [], []
    for _ in range(SAVES):
        start = time.perf_counter()
        save()
        saves.append(time.perf_counter() - start)
        data = torch.load(path, weights_only=True)
        start = time.perf_counter()
        with open(path.with_suffix('.raw'), 'wb') as file:
            torch.save(data, file)
            file.flush()
            os.fsync(file.fileno())
        writes.append(time.perf_counter() - start)
    size = path.stat().st_size
    return statistics.median(saves), statistics.median(writes), size


def all_saves(runner, folder):
    """Figures of the runner's checkpoint, and of one of a larger model."""
    path = Path(folder) / 'cost.pth'
    yield saving(lambda: runner.save_checkpoint(folder, path.name), path)
    large = {str(i): torch.randn(356_000) for i in range(300)}
    yield saving(lambda: write_checkpoint(large, path), path)


def main():
    epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 12
    cfg = load_config('configs/quickstart/rooms.py')
    cfg.log_level = 'ERROR'
    cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
    cfg.default_hooks.checkpoint = None
    cfg.custom_hooks = [
        dict(type='FiniteLossHook'),
        dict(type='RunRecordHook'),
    ]
    cfg.train_dataloader.dataset.num_rooms = 240
    # One of each kind first, to warm up.
    cfg.train_cfg = dict(type='AlternatingLoop', max_epochs=2 + 2 * epochs)
    with tempfile.TemporaryDirectory() as folder:
        cfg.work_dir = folder
        runner = build_runner(cfg)
        runner.train()
        times = runner.train_loop.times
        saves = list(all_saves(runner, folder))
    plain, safe = (times[is_safe][1:] for is_safe in (False, True))
    for i, what in enumerate(('clock', 'processor')):
        a, b = (
            statistics.median(t[i] for t in part) for part in (plain, safe)
        )
        print(
            f'{what}: {a:.3f} s an epoch of 30 steps without, {b:.3f} s with, '
            f'ratio {b / a:.4f} (medians of {len(safe)} epochs each)'
        )
    for save, write, size in saves:
        print(
            f'a save of {size / 1e6:.1f} MB: {save:.3f} s, '
            f'{save / write:.2f} x torch writing the same ({write:.3f} s; '
            f'medians of {SAVES})'
        )


if __name__ == '__main__':
    main()
