#!/usr/bin/env python
"""Kill training at random instants, half of them inside a save, and go on.

After each ``kill -9`` the run's folder must hold a whole checkpoint, at most
one interval old; the next start must leave no half-written file; the end must
equal that of a run that nobody killed.
"""

import argparse
import os
import random
import select
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
os.environ['HF_HUB_OFFLINE'] = '1'

import torch  # noqa: E402
from mmengine.hooks import Hook  # noqa: E402

from llm_mde_mm.apis import launch  # noqa: E402
from llm_mde_mm.utils.checkpoint import (  # noqa: E402
    read_checkpoint,
    resumable_checkpoints,
)
from llm_mde_mm.utils.errors import DamagedError  # noqa: E402
from tests.tools.conftest import CONFIG  # noqa: E402

EPOCHS = 6
COUNTS = ('kills', 'kills inside a save', 'runs')
FAILURES = (
    'runs lost',
    'more than an interval repeated',
    'stale files',
    'ends that differ',
)
INTERVAL = 2  # steps of an epoch: 8 rooms in batches of 4


class Reporter(Hook):
    """Tell the parent how far a child is."""

    def __init__(self, pipe: int) -> None:
        self.pipe = pipe

    def say(self, kind: str, number: int = 0) -> None:
        os.write(self.pipe, f'{kind}{number}\n'.encode())

    def after_train_iter(self, runner, *args, **kwargs) -> None:
        self.say('i', runner.iter + 1)


def train(config: Path, folder: Path, pipe: int) -> None:
    """A child's life."""
    log = os.open(
        folder.parent / 'console', os.O_WRONLY | os.O_CREAT | os.O_APPEND
    )
    os.dup2(log, 1)
    os.dup2(log, 2)
    cfg = launch.load_config(str(config))
    cfg.work_dir, cfg.resume = str(folder), True
    runner = launch.build_runner(cfg)
    reporter = Reporter(pipe)
    runner.register_hook(reporter)
    save = runner.save_checkpoint

    def reported(*args, **kwargs) -> None:
        reporter.say('p', len(list(folder.glob('.*.part'))))
        reporter.say('b')
        save(*args, **kwargs)
        reporter.say('e', runner.iter)

    runner.save_checkpoint = reported
    runner.train()


class Child:
    """A forked process that trains, and what it has said."""

    def __init__(self, config: Path, folder: Path) -> None:
        self.read, pipe = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                os.close(self.read)
                train(config, folder, pipe)
                code = 0
            except BaseException:
                import traceback

                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        os.close(pipe)
        self.rest = b''
        self.saves = self.ended = self.reached = self.saved = 0
        self.partial = 0
        self.times: list[float] = []
        self.alive = True

    def listen(self, seconds: float) -> None:
        """Take in what it says, for so long at most."""
        if not select.select([self.read], [], [], max(seconds, 0))[0]:
            return
        data = os.read(self.read, 65536)
        self.alive = bool(data)
        *lines, self.rest = (self.rest + data).split(b'\n')
        for line in lines:
            kind, number = chr(line[0]), int(line[1:])
            if kind == 'i':
                self.reached = number
            elif kind == 'p':
                self.partial = max(self.partial, number)
            elif kind == 'b':
                self.saves += 1
                self.times.append(-time.monotonic())
            else:
                self.ended += 1
                self.saved = number
                self.times[-1] += time.monotonic()

    def run(self, until=lambda child: False) -> bool:
        """Listen until it ends (False) or something holds (True)."""
        while self.alive:
            if until(self):
                return True
            self.listen(0.001)
        return False

    def end(self, kill: bool) -> int:
        """Kill it or wait for it; how it ended."""
        if kill:
            os.kill(self.pid, signal.SIGKILL)
        status = os.waitpid(self.pid, 0)[1]
        while self.alive:
            self.listen(1)
        os.close(self.read)
        return os.waitstatus_to_exitcode(status)


def newest(folder: Path) -> int:
    """Steps in the newest whole checkpoint, -1 where there is none."""
    for path in resumable_checkpoints(folder):
        try:
            return read_checkpoint(path)['meta']['iter']
        except DamagedError:
            continue
    return -1


def same(ours, theirs) -> bool:
    """Whether two checkpoints' parts are equal to the last bit."""
    if isinstance(ours, torch.Tensor):
        return torch.equal(ours, theirs)
    if isinstance(ours, dict):
        return ours.keys() == theirs.keys() and all(
            same(ours[k], theirs[k]) for k in ours
        )
    if isinstance(ours, list | tuple):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    return ours == theirs


def compare(ours: Path, theirs: Path) -> bool:
    """Whether two runs ended alike."""
    last = f'epoch_{EPOCHS}.pth'
    files = [read_checkpoint(folder / last) for folder in (ours, theirs)]
    return all(
        same(files[0][key], files[1][key])
        for key in ('state_dict', 'optimizer', 'param_schedulers')
    )


def strike(child: Child, rng: random.Random, inside: bool, span) -> bool:
    """Wait for an instant to kill; False where the child ended before."""
    if inside:
        count = rng.randint(1, 3)
        if not child.run(lambda c: c.saves >= count):
            return False
        delay = rng.uniform(0, 1.2 * span[1])
    else:
        delay = rng.uniform(0, span[0])
    moment = time.monotonic() + delay
    return child.run(lambda c: time.monotonic() >= moment)


def check(kills: int, seed: int, root: Path) -> Counter:
    """Kill so often; how many times what happened."""
    config = root / 'config.py'
    config.write_text(
        CONFIG.replace('max_epochs=2', f'max_epochs={EPOCHS}')
        + 'default_hooks = dict(checkpoint=dict(max_keep_ckpts=1))\n'
        + 'custom_hooks = []\n'
    )
    uncut = root / 'uncut' / 'run'
    uncut.mkdir(parents=True)
    begin = time.monotonic()
    child = Child(config, uncut)
    child.run()
    if child.end(kill=False):
        sys.exit(f'the uncut run failed: see {uncut.parent / "console"}')
    span = time.monotonic() - begin, max(child.times)
    rng = random.Random(seed)
    found: Counter = Counter()
    while found['kills'] < kills:
        found['runs'] += 1
        folder = root / f'run{found["runs"]}' / 'run'
        folder.mkdir(parents=True)
        one_run(config, folder, rng, span, kills, found)
        found['ends that differ'] += not compare(folder, uncut)
        found['stale files'] += len(list(folder.glob('.*.part')))
    return found


def one_run(config, folder, rng, span, kills, found) -> None:
    """Start, kill and go on until a run is at its end."""
    saved = 0
    while True:
        child = Child(config, folder)
        killed = found['kills'] < kills and strike(
            child, rng, found['kills'] % 2 == 0, span
        )
        if not killed:
            child.run()
        inside = child.saves > child.ended
        code = child.end(kill=killed)
        found['stale files'] += child.partial
        if code == 0:
            return
        if code != -signal.SIGKILL:
            sys.exit(f'a start failed: see {folder.parent / "console"}')
        found['kills'] += 1
        found['kills inside a save'] += inside
        saved = max(saved, child.saved)
        whole = max(newest(folder), 0)
        found['runs lost'] += whole < saved
        found['more than an interval repeated'] += (
            child.reached - whole > INTERVAL
        )


def main() -> None:
    """Kill, count and say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--kills', type=int, default=100)
    parser.add_argument('--seed', type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as root:
        found = check(args.kills, args.seed, Path(root))
    for name in (*COUNTS, *FAILURES):
        print(f'{name}: {found[name]}')
    print(f'{time.monotonic() - begin:.0f} s')
    sys.exit(any(found[name] for name in FAILURES))


if __name__ == '__main__':
    main()
