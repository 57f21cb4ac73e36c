"""Two processes over gloo give the scores of one, and end together."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from llm_mde_mm.apis import launch
from llm_mde_mm.utils.checkpoint import read_checkpoint
from tests.engine.training import assert_equal, flat
from tests.tools.conftest import ROOT, run

OPTIONS = (
    '--cfg-options',
    'train_cfg.max_epochs=2',
    'train_dataloader.dataset.num_rooms=16',
    # The order of a float32 sum alone moves the scores by a thousandth.
    'model_dtype=float64',
)


def scores(config, folder, prefix, batch_size):
    train = run(
        *prefix('train', config),
        '--work-dir',
        folder,
        *OPTIONS,
        f'train_dataloader.batch_size={batch_size}',
        OMP_NUM_THREADS='1',
        PORT='29517',
    )
    assert train.returncode == 0, train.stderr[-3000:]
    test = run(
        *prefix('test', config, folder / 'epoch_2.pth'),
        '--work-dir',
        folder,
        '--out',
        folder / 'metrics.json',
        OMP_NUM_THREADS='1',
        PORT='29518',
    )
    assert test.returncode == 0, test.stderr[-3000:]
    return json.loads((folder / 'metrics.json').read_text())


def test_two_processes_give_the_scores_of_one(tiny_config, tmp_path):
    one = scores(
        tiny_config,
        tmp_path / 'one',
        lambda tool, *args: (f'tools/{tool}.py', *args),
        batch_size=4,
    )
    two = scores(
        tiny_config,
        tmp_path / 'two',
        lambda tool, *args: ('bash', f'tools/dist_{tool}.sh', *args, 2),
        batch_size=2,
    )
    # The test set of 5 pictures is uneven over two processes.
    assert one['pictures'] == two['pictures'] == 5
    assert two.keys() == one.keys()
    for name, value in one.items():
        if isinstance(value, float | list):
            value = pytest.approx(value, rel=1e-6)
        assert two[name] == value, name


def start(config, folder, *words):
    """Two processes, with eight steps to make."""
    path = f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}'
    return subprocess.Popen(
        [
            *('bash', 'tools/dist_train.sh', config, '2', *words),
            *('--work-dir', folder, '--cfg-options'),
            'train_dataloader.batch_size=1',
        ],
        cwd=ROOT,
        env={
            **os.environ,
            **dict(PATH=path, HF_HUB_OFFLINE='1', PORT='29520'),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ended(job):
    try:
        return job.communicate(timeout=280)[0]
    finally:
        job.kill()


def test_a_signal_to_the_job_and_a_resume(tiny_config, tmp_path):
    """Two processes stop at one step and end as if they had not."""
    cut, whole = tmp_path / 'cut', tmp_path / 'whole'
    job = start(tiny_config, cut)
    deadline = time.monotonic() + 240
    while not (cut / 'run.json').exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    job.send_signal(signal.SIGTERM)
    output = ended(job)
    assert job.returncode != 0
    (line,) = re.findall(r'stopped the training after step (\d) of 8', output)
    state = read_checkpoint(cut / 'interrupted.pth')
    assert state['meta']['iter'] == int(line) < 8
    assert state['resume_state']['processes'] == 2
    for folder, words in ((cut, ['--resume']), (whole, [])):
        job = start(tiny_config, folder, *words)
        output = ended(job)
        assert job.returncode == 0, output[-3000:]
    assert not (cut / 'interrupted.pth').exists()
    ours, theirs = (
        flat(
            {
                key: value
                for key, value in read_checkpoint(f / 'epoch_2.pth').items()
                if key in ('state_dict', 'optimizer', 'param_schedulers')
            }
        )
        for f in (cut, whole)
    )
    assert_equal(ours, theirs)


@pytest.mark.parametrize(
    ('kind', 'reason'),
    [
        ('killed', r'rank +: 1 .*\n.*exitcode +: -9 .*\(SIGKILL\)'),
        ('data', r'(?m)^process 1: DataError: picture_7.png is truncated$'),
    ],
)
def test_a_process_that_dies_ends_the_job(tiny_config, tmp_path, kind, reason):
    """At once, and not after the ten minutes that processes wait at most."""
    config = tmp_path / 'faulty.py'
    config.write_text(f"""
_base_ = '{tiny_config}'
custom_imports = dict(imports=['llm_mde_mm', 'tests.tools.faults'])
custom_hooks = [dict(type='FaultHook', kind='{kind}')]
train_dataloader = dict(batch_size=1)
""")
    done = run(
        'bash',
        'tools/dist_train.sh',
        config,
        2,
        '--work-dir',
        tmp_path,
        PORT='29519',
    )
    assert done.returncode != 0
    assert re.search(reason, done.stderr), done.stderr[-3000:]
    # The one that was waiting for it has no error of its own.
    assert '[rank0]: Traceback' not in done.stderr
    assert 'Root Cause' in done.stderr.partition('rank      : 1')[0]


def test_a_lost_connection_is_told_from_other_errors():
    def lost():
        raise RuntimeError('[gloo/pair.cc:561] Connection closed by peer')

    def other():
        raise RuntimeError('shapes differ')

    with pytest.raises(SystemExit, match='another process has ended'):
        launch.run_tool(lost)
    with pytest.raises(RuntimeError, match='shapes differ'):
        launch.run_tool(other)
