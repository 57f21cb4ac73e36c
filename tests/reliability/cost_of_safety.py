"""What exact resume, signals and the NaN guard cost a training.

    python tests/reliability/cost_of_safety.py [STEPS]

Steps of the quickstart model with them and as MMEngine's own loop makes them,
in turn, in one training. Loading, validation and saves are left out: both
have the same.
"""

import statistics
import sys
import tempfile
import time

from mmseg.registry import LOOPS

from llm_mde_mm.apis.launch import build_runner, load_config
from llm_mde_mm.engine import (
    FiniteLossHook,
    ResumableEpochLoop,
    ResumeStateHook,
)

SAFETY = (FiniteLossHook, ResumeStateHook)
# Batches that are drawn and kept before the first step.
BATCHES = 4


@LOOPS.register_module()
class AlternatingLoop(ResumableEpochLoop):
    """Every second step is MMEngine's own; each is timed."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.times = {False: [], True: []}

    def run_iter(self, idx, data_batch):
        is_safe = self._iter % 2 == 1
        runner, hooks = self.runner, self.runner._hooks
        guard = next(h for h in hooks if isinstance(h, FiniteLossHook))
        if is_safe:
            step = super().run_iter
        else:
            guard.after_train(runner)
            runner._hooks = [h for h in hooks if not isinstance(h, SAFETY)]
            step = super(ResumableEpochLoop, self).run_iter
        start = time.perf_counter(), time.process_time()
        step(idx, data_batch)
        self.times[is_safe].append(
            (time.perf_counter() - start[0], time.process_time() - start[1])
        )
        runner._hooks = hooks
        if not is_safe:
            guard.before_train(runner)


def main():
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    cfg = load_config('configs/quickstart/rooms.py')
    cfg.log_level = 'ERROR'
    cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
    cfg.default_hooks.checkpoint = None
    cfg.custom_hooks = [dict(type='FiniteLossHook')]
    cfg.train_dataloader.update(num_workers=0, persistent_workers=False)
    cfg.train_dataloader.dataset.num_rooms = BATCHES * 8
    cfg.train_cfg = dict(
        type='AlternatingLoop', max_epochs=2 + steps // BATCHES
    )
    with tempfile.TemporaryDirectory() as folder:
        cfg.work_dir = folder
        runner = build_runner(cfg)
        runner.train()
        times = runner.train_loop.times
    # The first steps warm up.
    plain, safe = (times[is_safe][BATCHES:] for is_safe in (False, True))
    for i, what in enumerate(('clock', 'processor')):
        a, b = (
            statistics.median(t[i] for t in part) for part in (plain, safe)
        )
        print(
            f'{what}: {1e3 * a:.2f} ms a step without, {1e3 * b:.2f} ms with, '
            f'ratio {b / a:.4f} (medians of {len(safe)} steps each)'
        )


if __name__ == '__main__':
    main()
