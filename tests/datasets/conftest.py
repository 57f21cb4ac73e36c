import hashlib
import json

import cv2
import numpy as np
import pytest

# Two rooms of each scene type, three pictures a room.
ROOMS = {
    f'{scene}_{i:05}': f'{scene}_{i // 3:04}'
    for scene in ('kitchen', 'study')
    for i in range(6)
}


def write_sample(root, split, name, seed, room=None):
    """Write a picture and its depth; return their item of a manifest."""
    rng = np.random.default_rng(seed)
    item = dict(name=name, split=split, scene=name.rpartition('_')[0])
    item['room'] = room
    for key, folder, end, array in (
        ('image', 'images', 'jpg', rng.integers(0, 256, (24, 32, 3))),
        ('depth', 'annotations', 'png', rng.integers(1, 9000, (24, 32))),
    ):
        kind = np.uint8 if key == 'image' else np.uint16
        data = cv2.imencode(f'.{end}', array.astype(kind))[1].tobytes()
        item[key] = f'{folder}/{split}/{name}.{end}'
        path = root / item[key]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        item[f'{key}_sha256'] = hashlib.sha256(data).hexdigest()
    return item


def write_manifest(root, items):
    (root / 'manifest.json').write_text(json.dumps(dict(items=items)))


@pytest.fixture
def prepared(tmp_path):
    """A folder as tools/prepare_nyu.py leaves it: 12 to train, 2 to test."""
    items = [
        write_sample(tmp_path, 'train', name, seed, room)
        for seed, (name, room) in enumerate(ROOMS.items())
    ]
    items += [
        write_sample(tmp_path, 'test', f'study_{i:05}', 100 + i, 'study_0009')
        for i in (7, 8)
    ]
    write_manifest(tmp_path, items)
    return tmp_path
