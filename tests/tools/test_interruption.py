"""SIGTERM to the tool, --resume and --rerun, as a user types them."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time

import pytest
import torch
from mmengine.config import Config

from llm_mde_mm.apis.launch import (
    recorded_config,
    tool_config,
    tool_parser,
)
from llm_mde_mm.apis.tool_process import resume_command
from llm_mde_mm.utils.errors import ConfigError
from llm_mde_mm.utils.run_record import write_record
from tests.tools.conftest import ROOT, run


def weights(path):
    return torch.load(path, weights_only=False)['state_dict']


def assert_same_weights(one, two):
    one, two = weights(one), weights(two)
    assert one.keys() == two.keys()
    for key, value in one.items():
        assert torch.equal(value, two[key]), key


def test_sigterm_then_the_command_that_it_names(
    tiny_config, trained, tmp_path
):
    command = [
        sys.executable,
        'tools/train.py',
        str(tiny_config),
        '--work-dir',
        str(tmp_path),
    ]
    # A worker gets the signal too, as all processes of a job do.
    options = [
        '--cfg-options',
        'train_dataloader.num_workers=1',
    ]
    process = subprocess.Popen(
        command + options,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={**os.environ, 'HF_HUB_OFFLINE': '1'},
    )
    record = tmp_path / 'run.json'
    deadline = time.monotonic() + 240
    while not record.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGTERM)
    output = process.communicate(timeout=240)[0]
    assert process.returncode == 75, output[-3000:]
    assert (tmp_path / 'interrupted.pth').is_file()
    line = output.splitlines()[
        next(i for i, s in enumerate(output.splitlines()) if 'Go on by' in s)
        + 1
    ]
    words = shlex.split(line)
    assert words == ['python', *command[1:], *options, '--resume']
    done = run(*words[1:])
    assert done.returncode == 0, done.stderr[-3000:]
    assert_same_weights(tmp_path / 'epoch_2.pth', trained / 'epoch_2.pth')
    again = json.loads(record.read_text())
    assert 0 < again['resumed'][0]['step'] < 4


def test_rerun_repeats_bit_for_bit(trained, tmp_path):
    record = json.loads((trained / 'run.json').read_text())
    assert record['splits']['train']['pictures'] == 8
    assert record['seed'] == 0
    assert record['versions']['torch'] == torch.__version__.split('+')[0]
    done = run('tools/train.py', '--rerun', trained, '--work-dir', tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert 'may differ' not in done.stdout + done.stderr
    assert_same_weights(tmp_path / 'epoch_2.pth', trained / 'epoch_2.pth')
    again = json.loads((tmp_path / 'run.json').read_text())
    for key in ('seed', 'versions', 'splits', 'processes', 'threads'):
        assert again[key] == record[key]


@pytest.mark.parametrize(
    ('start', 'resume'),
    [
        (dict(resume=True, load_from='a/epoch_1.pth'), True),
        (dict(resume=True, load_from=None), False),
        (dict(resume=False, load_from='a/epoch_1.pth'), False),
    ],
)
def test_rerun_starts_where_the_run_did(start, resume, tmp_path):
    text = Config(dict(work_dir='run', **start)).pretty_text
    write_record(tmp_path, dict(config=text, seed=3))
    cfg = recorded_config(str(tmp_path), str(tmp_path / 'again'))
    assert (cfg.resume, cfg.load_from) == (resume, start['load_from'])
    assert cfg.randomness.seed == 3


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--rerun', '{empty}'], 'run.json cannot be read'),
        (['--rerun', '{run}', '--work-dir', '{run}'], 'give another one'),
        (['{config}', '--rerun', '{run}'], 'leave out the config file'),
        ([], 'give a config file, or --rerun'),
    ],
)
def test_mistakes(words, message, trained, tiny_config, tmp_path):
    places = dict(empty=tmp_path, run=trained, config=tiny_config)
    parser = tool_parser('A tool.', can_rerun=True)
    args = parser.parse_args([word.format(**places) for word in words])
    with pytest.raises(ConfigError, match=message):
        tool_config(args)


@pytest.mark.parametrize(
    ('words', 'command'),
    [
        (['a.py', '--amp'], 'python train.py a.py --amp --resume'),
        (['a.py', '--resume'], 'python train.py a.py --resume'),
        (
            ['a.py', '--resume', 'x y.pth', '--amp'],
            'python train.py a.py --amp --resume',
        ),
        (['a b.py', '--resume=x.pth'], "python train.py 'a b.py' --resume"),
    ],
)
def test_the_command_to_go_on(words, command, monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['train.py', *words])
    assert resume_command() == command
    monkeypatch.setenv('TORCHELASTIC_RUN_ID', 'none')
    monkeypatch.setenv('WORLD_SIZE', '2')
    monkeypatch.setenv('LOCAL_WORLD_SIZE', '2')
    assert resume_command() == command.replace(
        'python', 'python -m torch.distributed.run --nproc_per_node=2', 1
    )
    monkeypatch.setenv('WORLD_SIZE', '4')
    assert 'every machine' in resume_command()
