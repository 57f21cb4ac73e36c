"""Signals that ask a training to stop."""

import os
import signal
import threading
import time
from functools import partial
from types import FrameType
from typing import Any

import torch
from mmengine.dist import is_main_process
from torch import Tensor
from torch.utils.data import DataLoader

# Ctrl-C, a cluster's preemption, and what `sbatch --signal=USR1@120` sends.
SIGNALS = tuple(
    getattr(signal, name)
    for name in ('SIGINT', 'SIGTERM', 'SIGUSR1')
    if hasattr(signal, name)
)
# torchrun passes on the Ctrl-C that the terminal sent to its children too.
_ECHO_S = 1.0


class StopSignals:
    """Within its context a signal is noted instead of ending the process.

    A second Ctrl-C acts at once, as it would outside. Outside the main
    thread, where Python takes no signals, nothing is noted.

    Attributes:
        received (str | None): Name of the signal that came.
    """

    def __init__(self) -> None:
        self.received: str | None = None
        self._time = 0.0
        self._pid = os.getpid()
        self._before: dict[int, Any] = {}
        # Shared with the workers.
        self._shield = torch.zeros(1, dtype=torch.bool).share_memory_()

    def shield_workers(self, loader: DataLoader) -> None:
        """Let a loader's workers live through the signals.

        A terminal and a cluster send them to all processes of a job; the
        main one needs its workers until the step is over.

        Args:
            loader (DataLoader): Its workers must not have been started.
        """
        loader.worker_init_fn = partial(
            _init_worker, loader.worker_init_fn, self._shield
        )

    def __enter__(self) -> 'StopSignals':
        if threading.current_thread() is threading.main_thread():
            self._before = {
                number: signal.signal(number, self._note) for number in SIGNALS
            }
            self._shield.fill_(True)
        return self

    def __exit__(self, *error: Any) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
        self._shield.fill_(False)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._pid:
            # A worker of a data loader, forked a moment ago.
            return
        if self.received is None:
            self.received = signal.Signals(number).name
            self._time = time.monotonic()
            if is_main_process():
                # The logger may be what the signal broke into.
                text = f'\n{self.received}: stopping after this step\n'
                os.write(2, text.encode())
        elif number == signal.SIGINT and not self._is_echo():
            self.__exit__()
            signal.raise_signal(number)

    def _is_echo(self) -> bool:
        under_torchrun = 'TORCHELASTIC_RUN_ID' in os.environ
        return under_torchrun and time.monotonic() - self._time < _ECHO_S


def _init_worker(init: Any, shield: Tensor, worker_id: int) -> None:
    def act(number: int, frame: FrameType | None) -> None:
        # Once the training is over, SIGTERM comes from the main process.
        if number == signal.SIGTERM and not shield:
            os._exit(0)

    for number in SIGNALS:
        signal.signal(number, act)
    if init is not None:
        init(worker_id)
