"""Two tiny repositories of RGB-D frames, as clones and on a server."""

import functools
import hashlib
import json
import struct
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

HEIGHT, WIDTH = 16, 24
FRAMES = {0: 'train', 2: 'train', 4: 'val'}


def _sha256(data):
    return hashlib.sha256(data).hexdigest()


def _pixels(depth):
    """Rows of little-endian uint16."""
    flat = [int(value) for value in depth.ravel()]
    return struct.pack(f'<{len(flat)}H', *flat)


def _means(array):
    blocks = array.astype(float).reshape(4, HEIGHT // 4, 4, WIDTH // 4, -1)
    return blocks.mean((1, 3)).squeeze().tolist()


def _set(name, folder, **changes):
    entry = dict(
        name=name,
        title=f'the {name}',
        licence='CC0',
        citation='Nobody, 2024',
        repository=f'https://example.org/{name}',
        commit='0123abc',
        url='',
        folder=folder,
        depth_scale=0.001,
        invalid=[65535],
        room=None,
    )
    return {**entry, **changes}


@pytest.fixture
def repositories(tmp_path):
    """Clones, what must become of them, and their description."""
    clones = tmp_path / 'clones'
    walk, lone = clones / 'walk/data', clones / 'lone'
    walk.mkdir(parents=True)
    lone.mkdir()
    rng = np.random.default_rng(0)
    ramp = np.add.outer(np.arange(HEIGHT) * 6, np.arange(WIDTH) * 4)
    depths, digests = {}, {}
    for number in FRAMES:
        rgb = np.stack([ramp, ramp[::-1], ramp + number], -1).astype(np.uint8)
        picture = walk / f'f-{number:03d}.jpg'
        Image.fromarray(rgb).save(picture, quality=70)
        stored = rng.integers(500, 9000, (HEIGHT, WIDTH)).astype(np.uint16)
        stored[:3] = 65535
        stored[3] = 0
        Image.fromarray(stored).save(walk / f'f-{number:03d}.png')
        depths[number] = np.where(stored == 65535, 0, stored)
        digests[str(number)] = [
            _sha256(picture.read_bytes()),
            _sha256(_pixels(depths[number])),
        ]
    # Colours vary slowly: JPEG halves their resolution.
    rgb = np.stack([ramp, 0.9 * ramp, 0.8 * ramp + 20], -1) / 255
    metres = rng.uniform(0.5, 9, (HEIGHT, WIDTH)).astype(np.float32)
    np.save(lone / 'rgb.npy', rgb.astype(np.float32))
    np.save(lone / 'depth.npy', metres)
    entries = [
        _set(
            'walk',
            'walk/data',
            image='f-{:03d}.jpg',
            depth='f-{:03d}.png',
            scene='kitchen',
            frames=dict(train=[0, 2, 2], val=[4, 4, 1]),
            sha256=digests,
        ),
        _set(
            'lone',
            'lone',
            image='rgb.npy',
            depth='depth.npy',
            depth_scale=1.0,
            invalid=[],
            scene='office',
            frames=dict(test=[1, 1, 1]),
            sha256={'1': ['', '']},
            means=dict(image=_means(rgb * 255), depth=_means(metres * 1000)),
        ),
    ]
    description = tmp_path / 'sets.json'
    description.write_text(json.dumps(dict(sets=entries)))
    return SimpleNamespace(
        clones=clones,
        walk=walk,
        lone=lone,
        depths=depths,
        rgb=rgb,
        metres=metres,
        entries=entries,
        description=description,
    )


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, requests, *args, **kwargs):
        self.requests = requests
        super().__init__(*args, **kwargs)

    def do_GET(self):
        self.requests.append(self.path)
        super().do_GET()

    def log_message(self, *args):
        pass


@pytest.fixture
def host(repositories):
    """The clones on a server of this machine, which counts requests."""
    requests = []
    httpd = ThreadingHTTPServer(
        ('127.0.0.1', 0),
        functools.partial(_Handler, requests, directory=repositories.clones),
    )
    threading.Thread(
        target=httpd.serve_forever, args=(0.02,), daemon=True
    ).start()
    for entry in repositories.entries:
        entry['url'] = (
            f'http://127.0.0.1:{httpd.server_port}/{entry["folder"]}/'
        )
    repositories.description.write_text(
        json.dumps(dict(sets=repositories.entries))
    )
    yield SimpleNamespace(requests=requests, **vars(repositories))
    httpd.shutdown()
    httpd.server_close()
