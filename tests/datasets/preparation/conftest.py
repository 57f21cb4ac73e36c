"""A labelled file of six tiny pictures, and servers on this machine."""

import functools
import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import numpy as np
import pytest

SCENES = (
    'kitchen',
    'living_room',
    'kitchen',
    'office',
    'bathroom',
    'living_room',
)
ROOMS = tuple(f'{scene}_{i:04d}' for i, scene in enumerate(SCENES))
SPLIT = {0: 'test', 1: 'train', 2: 'train', 3: 'test', 4: 'train', 5: 'test'}


@pytest.fixture
def labeled(tmp_path):
    """A .mat as MATLAB 7.3 lays it out: each axis order reversed."""
    h5py = pytest.importorskip('h5py', reason='h5py is not installed')
    rng = np.random.default_rng(0)
    n, height, width = len(SCENES), 6, 8
    rgb = rng.integers(0, 256, (n, height, width, 3), dtype=np.uint8)
    filled = rng.uniform(0.5, 9.9, (n, height, width)).astype(np.float32)
    raw = np.where(rng.random(filled.shape) < 0.3, 0, filled)
    path = tmp_path / 'labeled.mat'
    with h5py.File(path, 'w') as file:
        file['images'] = rgb.transpose(0, 3, 2, 1)
        file['depths'] = filled.transpose(0, 2, 1)
        file['rawDepths'] = raw.transpose(0, 2, 1).astype(np.float32)
        for key, texts in (('sceneTypes', SCENES), ('scenes', ROOMS)):
            references = file.create_dataset(key, (1, n), h5py.ref_dtype)
            for i, text in enumerate(texts):
                codes = np.array([[ord(c)] for c in text], np.uint16)
                target = file.create_dataset(f'#refs#/{key}{i}', data=codes)
                references[0, i] = target.ref
    return SimpleNamespace(path=path, rgb=rgb, filled=filled, raw=raw)


class Handler(BaseHTTPRequestHandler):
    """Serves bytes; with or without Range, whole or broken off."""

    def __init__(self, server, *args):
        self.state = server
        super().__init__(*args)

    def do_GET(self):
        start, wanted = 0, self.headers.get('Range')
        self.state.requests.append(wanted)
        if wanted and self.state.ranges:
            start = int(wanted.removeprefix('bytes=').rstrip('-'))
            self.send_response(206)
            end = len(self.state.data) - 1
            self.send_header('Content-Range', f'bytes {start}-{end}/{end + 1}')
        else:
            self.send_response(200)
        body = self.state.data[start:]
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.state.break_after])

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    """A server of 300,000 bytes."""
    data = np.random.default_rng(1).bytes(300_000)
    state = SimpleNamespace(
        data=data, ranges=True, break_after=None, requests=[]
    )
    httpd = ThreadingHTTPServer(
        ('127.0.0.1', 0), functools.partial(Handler, state)
    )
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    state.url = f'http://127.0.0.1:{httpd.server_port}/file.mat'
    yield state
    httpd.shutdown()
    httpd.server_close()


@pytest.fixture
def kill_during():
    """Run a function in a process that is killed as it names a file."""

    def run(function, files):
        pid = os.fork()
        if not pid:
            try:
                replace, names = os.replace, iter(range(files))

                def last(*paths):
                    if next(names) == files - 1:
                        os.kill(os.getpid(), signal.SIGKILL)
                    replace(*paths)

                os.replace = last
                function()
            finally:
                os._exit(0)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    return run
