"""Write what a run is made of into its folder."""

from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from llm_mde_mm.utils.run_record import (
    RECORD,
    describe,
    differences,
    later_changes,
    read_record,
    write_record,
)


@HOOKS.register_module()
class RunRecordHook(Hook):
    """Write ``run.json`` at the start: see ``utils.run_record.describe``.

    A run that goes on keeps the record of its start and adds its own under
    ``resumed``, without the config where that is the same; what else differs
    is logged.
    ``tools/train.py --rerun`` repeats a run by this file.

    Args:
        repeats (str | None): Folder of the run that this one repeats.
            What differs from it, beside the config, is logged, and what it
            did otherwise once it had been resumed: its first config is what
            is repeated.
    """

    def __init__(self, repeats: str | None = None) -> None:
        self.repeats = repeats

    def before_train(self, runner: Runner) -> None:
        """Write the file."""
        if not is_main_process():
            return
        loaders = dict(train=runner.train_dataloader)
        if runner.val_loop is not None:
            loaders['val'] = runner.val_dataloader
        record = describe(runner.cfg.pretty_text, runner.seed, loaders)
        if self.repeats is not None:
            there = read_record(self.repeats)
            for found in (differences(record, there), later_changes(there)):
                if found:
                    runner.logger.warning(
                        f'this run may differ from {self.repeats} ({found})'
                    )
        if runner.iter and (Path(runner.work_dir) / RECORD).is_file():
            first = read_record(runner.work_dir)
            found = differences(record, first)
            if found:
                runner.logger.warning(
                    f'this run may not go on as it began ({found})'
                )
            if record['config'] == first['config']:
                del record['config']
            record['step'] = runner.iter
            first.setdefault('resumed', []).append(record)
            record = first
        write_record(runner.work_dir, record)
