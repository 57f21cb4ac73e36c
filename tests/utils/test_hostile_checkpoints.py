"""Checkpoints made to run code: none does, each gets an error with its name.

Each payload is shown to be live first: plain pickle runs it.
"""

import functools
import importlib
import io
import operator
import os
import pickle
import runpy
import struct
import subprocess
import tarfile
import timeit
import zipfile
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from numpy.testing._private.utils import runstring
from safetensors.torch import save_file

from llm_mde_mm.utils.adapter_file import adapter_metadata
from llm_mde_mm.utils.checkpoint import read_checkpoint
from llm_mde_mm.utils.errors import DamagedError, WeightsError


class Call:
    """Pickles as a call of ``function``."""

    def __init__(self, function, *args):
        self.parts = function, args

    def __reduce__(self):
        return self.parts

    def __call__(self):
        """Only so that a call's outcome can be called."""


def saved(value):
    stream = io.BytesIO()
    torch.save(value, stream)
    return stream.getvalue()


def payload(name, target):
    code = f"open({str(target)!r}, 'w').close()"
    touch = f'touch {target}'
    module = Call(importlib.import_module, 'os')
    return {
        'mkdir': Call(os.mkdir, str(target)),
        'system': Call(os.system, touch),
        'eval': Call(eval, code),
        'exec': Call(exec, code),
        'subprocess': Call(subprocess.check_call, ['touch', str(target)]),
        'getattr': Call(Call(getattr, module, 'system'), touch),
        'partial': Call(Call(functools.partial, os.system, touch)),
        'methodcaller': Call(
            Call(operator.methodcaller, 'touch'), Path(target)
        ),
        'runpy': Call(runpy._run_code, code, {}),
        'timeit': Call(timeit.timeit, code, 'pass', timeit.default_timer, 1),
        'numpy': Call(runstring, code, {}),
        'torch_bytes': Call(
            torch.storage._load_from_bytes,
            saved(Call(os.mkdir, str(target))),
        ),
        'torch_run': Call(torch.utils.collect_env.run, touch),
        'mmengine': Call(Config.fromstring, code, '.py'),
    }[name]


PAYLOADS = (
    'mkdir',
    'system',
    'eval',
    'exec',
    'subprocess',
    'getattr',
    'partial',
    'methodcaller',
    'runpy',
    'timeit',
    'numpy',
    'torch_bytes',
    'torch_run',
    'mmengine',
)
PLACES = ('state_dict', 'meta', 'resume_state', 'optimizer', 'message_hub')


def checkpoint(place, value):
    whole = {key: {} for key in PLACES}
    whole['state_dict'] = dict(weight=torch.zeros(2))
    whole[place]['more'] = [dict(deep=value)]
    return whole


def refused(path, target, match):
    with pytest.raises(WeightsError, match=path.name) as error:
        read_checkpoint(path)
    assert match in str(error.value)
    assert not target.exists()


@pytest.fixture
def files(tmp_path):
    return tmp_path / 'hostile.pth', tmp_path / 'executed'


@pytest.mark.parametrize('number', range(len(PAYLOADS)))
def test_a_call_in_a_pickle(number, files):
    path, target = files
    name, place = PAYLOADS[number], PLACES[number % len(PLACES)]
    live = pickle.dumps(payload(name, target))
    pickle.loads(live)
    assert target.exists()
    target.rmdir() if target.is_dir() else target.unlink()
    torch.save(checkpoint(place, payload(name, target)), path)
    refused(path, target, 'could run code')


def test_a_config_that_mmengine_would_run(files):
    path, target = files
    code = f'open({str(target)!r}, "w").close()'
    Config.fromstring(code, file_format='.py')
    assert target.exists()
    target.unlink()
    torch.save(checkpoint('meta', 0) | {'meta': {'config': code}}, path)
    refused(path, target, 'config that MMEngine would run')


def test_the_old_format_of_torch(files):
    path, target = files
    torch.save(
        checkpoint('meta', payload('mkdir', target)),
        path,
        _use_new_zipfile_serialization=False,
    )
    refused(path, target, 'no file of torch.save')


def test_the_oldest_format_of_torch(files):
    path, target = files
    data = pickle.dumps(payload('mkdir', target))
    with tarfile.open(path, 'w') as archive:
        for name in ('storages', 'tensors', 'pickle'):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    refused(path, target, 'no file of torch.save')


def test_a_bare_pickle(files):
    path, target = files
    path.write_bytes(pickle.dumps(payload('system', target)))
    refused(path, target, 'no file of torch.save')


def test_a_wrong_magic(files):
    path, target = files
    path.write_bytes(b'PK\x03\x04' + os.urandom(300))
    refused(path, target, 'no file of torch.save')


def test_a_zip_bomb(files):
    path, target = files
    torch.save(checkpoint('meta', 0), path)
    with zipfile.ZipFile(path, 'a', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('archive/data/9', bytes(50_000_000))
    assert path.stat().st_size < 100_000
    refused(path, target, 'entries are packed')


def test_an_entry_twice(files):
    path, target = files
    torch.save(checkpoint('meta', 0), path)
    with zipfile.ZipFile(path, 'a') as archive:
        name = next(n for n in archive.namelist() if 'data.pkl' in n)
        with pytest.warns(UserWarning, match='Duplicate'):
            archive.writestr(name, pickle.dumps(payload('mkdir', target)))
    refused(path, target, 'doubled')


def test_a_script_module(files):
    path, target = files
    module = torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2))
    torch.jit.save(module, path)
    refused(path, target, 'is not loaded')


@pytest.mark.parametrize(
    'tensor',
    [
        torch.empty(10**6, 10**6, device='meta'),
        torch.eye(3).to_sparse(),
        'text',
    ],
    ids=['meta', 'sparse', 'text'],
)
def test_what_is_no_dense_tensor(tensor, files):
    path, target = files
    torch.save(dict(state_dict=dict(weight=tensor)), path)
    refused(path, target, 'is no tensor on the CPU')


@pytest.mark.parametrize('value', [[1, 2], dict(state_dict=[1]), None])
def test_what_is_no_checkpoint(value, files):
    path, target = files
    torch.save(value, path)
    refused(path, target, 'is not loaded')


@pytest.mark.parametrize(
    'data',
    [
        b'',
        struct.pack('<Q', 2**62) + b'{}',
        struct.pack('<Q', 8) + b'no json!',
        struct.pack('<Q', 64)
        + b'{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,99]}}'.ljust(64),
    ],
    ids=['empty', 'endless', 'no_json', 'outside'],
)
def test_a_bad_header_of_safetensors(data, tmp_path):
    path = tmp_path / 'hostile.safetensors'
    path.write_bytes(data)
    refused(path, tmp_path / 'executed', 'cannot be read as safetensors')


def test_nothing_else_may_be_built(files):
    """What other packages allow torch to build is not allowed here."""
    path, target = files
    torch.save(checkpoint('meta', payload('mkdir', target)), path)
    torch.serialization.add_safe_globals([os.mkdir])
    try:
        refused(path, target, 'could run code')
        assert os.mkdir in torch.serialization.get_safe_globals()
    finally:
        allowed = torch.serialization.get_safe_globals()
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(
            [f for f in allowed if f is not os.mkdir]
        )


@pytest.mark.parametrize(
    'values',
    [
        torch.zeros(2, dtype=torch.bfloat16),
        torch.zeros(2, requires_grad=True),
        torch.zeros(2, dtype=torch.complex64),
    ],
)
def test_a_log_that_numpy_does_not_take(files, values):
    path, target = files
    log = dict(values=values, counts=torch.ones(2), max_length=9)
    hub = dict(log_scalars=dict(loss=log), runtime_info={}, resumed_keys={})
    torch.save(checkpoint('meta', 0) | {'message_hub': hub}, path)
    refused(path, target, "the log of 'loss'")


@pytest.mark.parametrize('key', ['pretrained', 'versions'])
@pytest.mark.parametrize('value', [[1], dict(a=torch.zeros(1))])
def test_names_that_are_none(files, key, value):
    path, target = files
    torch.save(checkpoint('meta', 0) | {'meta': {key: value}}, path)
    refused(path, target, f'meta.{key} is no dict of names')


def test_metadata_nested_without_end(tmp_path):
    path = tmp_path / 'deep.safetensors'
    whole = dict(state_dict=dict(a=torch.zeros(2)), meta={})
    about = adapter_metadata(whole) | dict(base='[' * 200_000)
    save_file(whole['state_dict'], path, about)
    with pytest.raises(DamagedError, match='deep.safetensors: its metadata'):
        read_checkpoint(path)
