"""200 damaged samples: each a named error, or provably unharmed.

Command: python tests/reliability/damaged_samples.py
"""

import hashlib
import io
import json
import logging
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from mmengine.logging import MMLogger

from llm_mde_mm.datasets import NYUDepthDataset, SyntheticRooms
from llm_mde_mm.datasets.transforms import LoadDepth, LoadPicture
from llm_mde_mm.utils.depth_io import millimetres
from llm_mde_mm.utils.errors import DataError

BASES = 8  # sound samples, of which each damaged one is made
# What a loader cannot see without a hash: decoders of JPEG accept changed
# coefficients, arrays have no checksum, and another picture's depth map is a
# sound file.
UNSEEN = (
    'flipped byte, picture',
    'flipped byte, npy depth map',
    'flipped byte, pfm depth map',
    'depth map of another picture',
)


class Damage(NamedTuple):
    """A way to damage a file.

    Attributes:
        name: What it is called in the report.
        kind: The folder of the file, 'images' or 'annotations'.
        count: How many of the 200 samples.
        change: Sound bytes, another sample's bytes and a generator to
            damaged bytes.
        depth: How the tree's depth maps end.
    """

    name: str
    kind: str
    count: int
    change: Callable[[bytes, bytes, np.random.Generator], bytes]
    depth: str = 'png'


def _cut(data: bytes, other: bytes, draw: np.random.Generator) -> bytes:
    return data[: draw.integers(1, len(data))]


def _flip(data: bytes, other: bytes, draw: np.random.Generator) -> bytes:
    damaged = bytearray(data)
    damaged[draw.integers(len(data))] ^= int(draw.integers(1, 256))
    return bytes(damaged)


def _decoded(data: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)


def _png(pixels: np.ndarray) -> bytes:
    return cv2.imencode('.png', pixels)[1].tobytes()


def _grey(data: bytes, other: bytes, draw: np.random.Generator) -> bytes:
    return _png((_decoded(data) >> 8).astype(np.uint8))


def _smaller(data: bytes, other: bytes, draw: np.random.Generator) -> bytes:
    row = int(draw.integers(1, 20))
    return _png(np.ascontiguousarray(_decoded(data)[row:]))


def _text(data: bytes, other: bytes, draw: np.random.Generator) -> bytes:
    return b'scene: kitchen\nframe: %d\n' % draw.integers(1000)


def _npy(metres: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, metres)
    return stream.getvalue()


def _pfm(metres: np.ndarray) -> bytes:
    height, width = metres.shape
    head = f'Pf\n{width} {height}\n-1.0\n'.encode()
    return head + metres[::-1].astype('<f4').tobytes()


_DEPTHS = dict(png=lambda m: _png(millimetres(m)), npy=_npy, pfm=_pfm)

DAMAGES = (
    Damage('truncated picture', 'images', 20, _cut),
    Damage('truncated depth map', 'annotations', 20, _cut),
    Damage('flipped byte, picture', 'images', 25, _flip),
    Damage('flipped byte, depth map', 'annotations', 25, _flip),
    Damage('flipped byte, npy depth map', 'annotations', 10, _flip, 'npy'),
    Damage('flipped byte, pfm depth map', 'annotations', 10, _flip, 'pfm'),
    Damage(
        'depth map of another picture', 'annotations', 20, lambda a, b, c: b
    ),
    Damage('8-bit depth map', 'annotations', 15, _grey),
    Damage('depth map of another size', 'annotations', 15, _smaller),
    Damage('empty picture', 'images', 10, lambda a, b, c: b''),
    Damage('empty depth map', 'annotations', 10, lambda a, b, c: b''),
    Damage('text for a picture', 'images', 10, _text),
    Damage('text for a depth map', 'annotations', 10, _text),
)


def write_tree(root: Path, depth: str) -> list[str]:
    """Write sound samples in the NYU layout, and their manifest."""
    rooms = SyntheticRooms(num_rooms=BASES, size=(60, 80))
    items = []
    for i in range(BASES):
        room = rooms[i]
        name = room['img_path'].removesuffix('.jpg')
        item = dict(name=name, split='train', room=f'{name}_room')
        contents = dict(
            image=cv2.imencode('.jpg', room['img'])[1].tobytes(),
            depth=_DEPTHS[depth](room['gt_depth_map']),
        )
        for key, folder, end in (
            ('image', 'images', 'jpg'),
            ('depth', 'annotations', depth),
        ):
            item[key] = f'{folder}/train/{name}.{end}'
            digest = hashlib.sha256(contents[key]).hexdigest()
            item[f'{key}_sha256'] = digest
            (root / item[key]).parent.mkdir(parents=True, exist_ok=True)
            (root / item[key]).write_bytes(contents[key])
        items.append(item)
    (root / 'manifest.json').write_text(json.dumps(dict(items=items)))
    return sorted(item['name'] for item in items)


def _dataset(root: Path, **kwargs) -> NYUDepthDataset:
    return NYUDepthDataset(
        root,
        depth_suffix=f'.{root.name}',
        pipeline=[LoadPicture(), LoadDepth()],
        **kwargs,
    )


def outcome(root: Path, place: int, hashes: bool, path: Path) -> str:
    """Load a sample: 'error', 'unharmed', 'changed', or what is wrong."""
    dataset = _dataset(root, check_hashes=hashes, serialize_data=False)
    try:
        item = dataset[place]
    except DataError as error:
        text = str(error)
        # The path, then more than a word of why.
        reason = text.partition(f'{path}: ')[2]
        return 'error' if len(reason) > 15 else f'error without path: {text}'
    except Exception as error:  # which is what this script looks for
        return f'{type(error).__name__}: {error}'
    sound = np.load(root / f'{place}.npz')
    same = all(np.array_equal(item[key], sound[key]) for key in sound.files)
    return 'unharmed' if same else 'changed'


def run(root: Path, step: int = 1) -> dict[bool, Counter]:
    """Damage and load samples, with hashes and without.

    Args:
        root: Empty folder to work in.
        step: Takes each so many-th of the 200 samples.

    Returns:
        For True (hashes known) and False: (damage, outcome) to its number.
    """
    names = []
    for depth in _DEPTHS:
        names = write_tree(root / depth, depth)
        dataset = _dataset(root / depth)
        for i in range(BASES):
            item = {k: dataset[i][k] for k in ('img', 'gt_depth_map')}
            np.savez(root / depth / f'{i}.npz', **item)
    samples = [damage for damage in DAMAGES for _ in range(damage.count)]
    counts: dict[bool, Counter] = {True: Counter(), False: Counter()}
    for number, damage in list(enumerate(samples))[::step]:
        draw = np.random.default_rng(number)
        place = int(draw.integers(BASES))
        tree = root / damage.depth
        end = 'jpg' if damage.kind == 'images' else damage.depth
        folder = tree / damage.kind / 'train'
        path = folder / f'{names[place]}.{end}'
        other = folder / f'{names[place - 1]}.{end}'
        sound = path.read_bytes()
        path.write_bytes(damage.change(sound, other.read_bytes(), draw))
        for hashes, count in counts.items():
            count[damage.name, outcome(tree, place, hashes, path)] += 1
        path.write_bytes(sound)
    return counts


def problems(counts: dict[bool, Counter]) -> list[str]:
    """Say what must not be: a sample that is neither named nor unharmed."""
    found = []
    for hashes, count in counts.items():
        for (damage, what), number in count.items():
            unseen = what == 'changed' and not hashes and damage in UNSEEN
            if what not in ('error', 'unharmed') and not unseen:
                found.append(f'{number} x {damage}: {what} ({hashes=})')
    return found


def summary(counts: dict[bool, Counter]) -> str:
    """Return the figures in one line."""
    parts = []
    for hashes, count in counts.items():
        totals: Counter = Counter()
        for (_, what), number in count.items():
            totals[what] += number
        parts.append(
            f'{"with" if hashes else "without"} hashes '
            + ', '.join(f'{totals[w]} {w}' for w in sorted(totals))
        )
    total = sum(counts[True].values())
    return f'damaged samples: {total}: ' + '; '.join(parts)


def main() -> int:
    """Run all, print figures; 1 if one sample passed that must not."""
    MMLogger.get_current_instance().setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        counts = run(Path(folder))
    found = problems(counts)
    for problem in found:
        print(problem)
    print(summary(counts))
    return bool(found)


if __name__ == '__main__':
    sys.exit(main())
