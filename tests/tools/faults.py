"""A hook that makes one process of a run fail, for the tests."""

import os
import signal

from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmseg.registry import HOOKS

from llm_mde_mm.utils.errors import DataError


@HOOKS.register_module()
class FaultHook(Hook):
    """Kill the second process, or fail in it, before its third step."""

    def __init__(self, kind):
        self.kind = kind

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if get_rank() != 1 or runner.iter != 2:
            return
        if self.kind == 'killed':
            os.kill(os.getpid(), signal.SIGKILL)
        raise DataError('picture_7.png is truncated')
