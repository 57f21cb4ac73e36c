"""The suite reaches no network; importing the package changes nothing."""

import json
import os
import socket
import subprocess
import sys
import urllib.request

import pytest

from tests.tools.conftest import ROOT

# An address that is reserved for documentation.
FAR = '192.0.2.1'


def python(code):
    return subprocess.run(
        [sys.executable, '-c', code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_no_connection_leaves_this_machine():
    with socket.socket() as one, pytest.raises(OSError, match='offline'):
        one.connect((FAR, 80))
    with socket.socket() as one, pytest.raises(OSError, match='offline'):
        one.connect_ex((FAR, 80))
    with pytest.raises(OSError, match='offline'):
        urllib.request.urlopen('http://example.com', timeout=1)


def test_loopback_is_open():
    with socket.create_server(('127.0.0.1', 0)) as server:
        with socket.create_connection(server.getsockname(), timeout=5):
            pass


def test_a_process_of_a_test_is_offline_too():
    code = f'import socket; socket.create_connection(("{FAR}", 80), 1)'
    assert 'the tests are offline' in python(code).stderr
    assert os.environ['HF_HUB_OFFLINE'] == '1'


STATES = """
import json, logging, random, warnings
import numpy as np
import torch

def states():
    root = logging.getLogger()
    return dict(
        python=repr(random.getstate()),
        numpy=repr(np.random.get_state()),
        torch=torch.get_rng_state().tolist(),
        seed=torch.initial_seed(),
        root_level=root.level,
        root_handlers=[repr(h) for h in root.handlers],
        logging_off=logging.root.manager.disable,
        dtype=str(torch.get_default_dtype()),
        device=str(torch.get_default_device()),
        threads=(torch.get_num_threads(), torch.get_num_interop_threads()),
        gradients=torch.is_grad_enabled(),
        deterministic=torch.are_deterministic_algorithms_enabled(),
        cudnn=(torch.backends.cudnn.benchmark,
               torch.backends.cudnn.deterministic),
        start_method=torch.multiprocessing.get_start_method(allow_none=True),
        errors=repr(np.geterr()),
        warnings=[repr(w) for w in warnings.filters],
    )

torch.manual_seed(3)
before = states()
import llm_mde_mm
after = states()
print(json.dumps([k for k in before if before[k] != after[k]]))
"""


def test_importing_changes_no_global_state():
    done = python(STATES)
    assert done.returncode == 0, done.stderr
    # Nothing is printed either.
    assert json.loads(done.stdout) == []
    assert done.stderr == ''
