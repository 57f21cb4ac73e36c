"""Runs of the command-line tools on a handful of rendered rooms."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# The quickstart, cut down to seconds. It lies outside the repository.
CONFIG = f"""
_base_ = '{ROOT}/configs/quickstart/rooms.py'
train_cfg = dict(max_epochs=2)
train_dataloader = dict(
    batch_size=4, num_workers=0, persistent_workers=False,
    dataset=dict(num_rooms=8))
val_dataloader = dict(
    batch_size=2, num_workers=0, persistent_workers=False,
    dataset=dict(num_rooms=4))
test_dataloader = dict(
    batch_size=2, num_workers=0, persistent_workers=False,
    dataset=dict(num_rooms=5))
"""


def run(*command, **env) -> subprocess.CompletedProcess:
    """Run a command in the repository's root and capture its output."""
    if str(command[0]).endswith('.py'):
        command = (sys.executable, *command)
    path = f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}'
    return subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env={**os.environ, 'PATH': path, 'HF_HUB_OFFLINE': '1', **env},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


@pytest.fixture
def run_here(monkeypatch, capsys):
    """Run a tool in this process and return what it prints."""

    def run(tool, *arguments) -> str:
        path = str(ROOT / tool)
        argv = [path, *(os.fspath(argument) for argument in arguments)]
        monkeypatch.setattr(sys, 'argv', argv)
        runpy.run_path(path, run_name='__main__')
        return capsys.readouterr().out

    return run


@pytest.fixture(scope='session')
def tiny_config(tmp_path_factory) -> Path:
    """A config outside the repository."""
    path = tmp_path_factory.mktemp('config') / 'tiny.py'
    path.write_text(CONFIG)
    return path


@pytest.fixture(scope='session')
def trained(tiny_config, tmp_path_factory) -> Path:
    """The folder of a finished run."""
    folder = tmp_path_factory.mktemp('run')
    done = run('tools/train.py', tiny_config, '--work-dir', folder)
    assert done.returncode == 0, done.stderr[-3000:]
    (folder / 'console').write_text(done.stdout + done.stderr)
    return folder
