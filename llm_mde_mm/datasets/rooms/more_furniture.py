"""Equipment and small things, and the table of all makers."""

import numpy as np

from . import furniture
from .furniture import Maker, Part


def _printer(rng):
    width = rng.uniform(0.6, 1.1)
    return [
        Part(0, 0.3, 0, width, 0.6, 0.6, 'metal'),
        Part(0, 0.32, 0.62, width, 0.64, 0.35, 'white'),
        Part(0, 0.3, 0.99, width * 0.9, 0.55, 0.12, 'metal2'),
        Part(-width / 2 - 0.12, 0.3, 0.7, 0.24, 0.4, 0.05, 'white2'),
    ]


def _television(rng):
    width = rng.uniform(1.2, 1.7)
    return [
        Part(0, 0.22, 0, width, 0.42, 0.5, 'doors'),
        Part(0, 0.2, 0.56, width * 0.75, 0.06, 0.6, 'screen'),
        Part(0, 0.2, 0.5, 0.3, 0.2, 0.06, 'metal'),
    ]


def _plant(rng):
    height = rng.uniform(0.5, 1.1)
    return [
        Part(0, 0.2, 0, 0.3, 0.3, 0.3, 'bright'),
        Part(0, 0.2, 0.3, 0.4, 0.4, height * 0.6, 'leaves'),
        Part(0.08, 0.16, 0.35 + height * 0.3, 0.3, 0.5, height * 0.5,
             'leaves2'),
    ]  # fmt: skip


def _cartons(rng):
    parts, height = [], 0.0
    for level in range(int(rng.integers(1, 5))):
        side = rng.uniform(0.35, 0.6)
        rise = rng.uniform(0.25, 0.45)
        shift = float(rng.uniform(-0.08, 0.08))
        kind = f'cardboard{level}'
        parts.append(Part(shift, 0.3, height, side, side, rise, kind))
        height += rise
    return parts


def _rack(rng):
    width, height = rng.uniform(0.9, 1.6), rng.uniform(1.5, 2.0)
    parts = _posts(width, 0.45, height)
    for level in range(4):
        z = 0.1 + level * (height - 0.15) / 3
        parts.append(Part(0, 0.225, z, width, 0.45, 0.03, 'metal'))
        if level < 3:
            span = rng.uniform(0.3, 0.8) * width
            rise = rng.uniform(0.2, 0.35)
            kind = f'cardboard{level}'
            parts.append(Part(0, 0.22, z + 0.03, span, 0.38, rise, kind))
    return parts


def _posts(width: float, depth: float, height: float) -> list[Part]:
    """Four metal posts at the corners."""
    return [
        Part(x, y, 0, 0.04, 0.04, height, 'metal')
        for x in (-width / 2, width / 2)
        for y in (0.02, depth - 0.02)
    ]


def _treadmill(rng):
    return [
        Part(0, 0.8, 0.05, 0.75, 1.6, 0.14, 'metal'),
        Part(-0.35, 0.25, 0.19, 0.06, 0.1, 1.0, 'metal2'),
        Part(0.35, 0.25, 0.19, 0.06, 0.1, 1.0, 'metal2'),
        Part(0, 0.25, 1.15, 0.8, 0.25, 0.15, 'screen'),
    ]


def _bench(rng):
    return [
        Part(0, 0.6, 0.4, 0.3, 1.2, 0.1, 'fabric'),
        Part(0, 0.2, 0, 0.4, 0.08, 0.4, 'metal'),
        Part(0, 1.0, 0, 0.4, 0.08, 0.4, 'metal'),
        Part(0, 0.05, 0.95, 1.5, 0.04, 0.04, 'metal2'),
        Part(-0.65, 0.05, 0.8, 0.06, 0.34, 0.34, 'metal'),
        Part(0.65, 0.05, 0.8, 0.06, 0.34, 0.34, 'metal'),
        Part(-0.4, 0.05, 0, 0.06, 0.06, 0.96, 'metal2'),
        Part(0.4, 0.05, 0, 0.06, 0.06, 0.96, 'metal2'),
    ]


def _toys(rng):
    parts = []
    for kind in ('bright0', 'bright1', 'bright2'):
        x, y = rng.uniform(-0.4, 0.4), rng.uniform(0.1, 0.8)
        width, depth = rng.uniform(0.12, 0.4, 2)
        height = rng.uniform(0.1, 0.45)
        parts.append(Part(x, y, 0, width, depth, height, kind))
    return parts


def _rug(rng):
    width, depth = rng.uniform(1.2, 2.4), rng.uniform(0.9, 1.7)
    return [Part(0, depth / 2, 0, width, depth, 0.012, 'rug')]


def _reception(rng):
    width = rng.uniform(1.6, 2.6)
    return [
        Part(0, 0.6, 0, width, 0.12, 1.0, 'doors'),
        Part(0, 0.56, 1.0, width + 0.05, 0.3, 0.04, 'wood'),
        Part(0, 0.25, 0.72, width, 0.5, 0.04, 'wood'),
        Part(-width / 4, 0.3, 0.8, 0.45, 0.04, 0.3, 'screen'),
    ]


def _conference(rng):
    length, depth = rng.uniform(1.8, 3.0), rng.uniform(0.9, 1.2)
    parts = [
        Part(0, depth / 2, 0.7, length, depth, 0.05, 'wood'),
        Part(-length / 3, depth / 2, 0, 0.12, depth * 0.7, 0.7, 'metal'),
        Part(length / 3, depth / 2, 0, 0.12, depth * 0.7, 0.7, 'metal'),
    ]
    return parts


def _partition(rng):
    width, height = rng.uniform(1.0, 1.8), rng.uniform(1.1, 1.5)
    return [Part(0, 0.04, 0, width, 0.06, height, 'fabric')]


def _railing(rng):
    width = rng.uniform(1.8, 3.0)
    bars = np.linspace(-width / 2 + 0.03, width / 2 - 0.03, 9)
    return [
        Part(0, 0.05, 0.95, width, 0.06, 0.05, 'metal'),
        Part(0, 0.05, 0.1, width, 0.05, 0.04, 'metal'),
        *(Part(float(x), 0.05, 0, 0.03, 0.03, 0.95, 'metal') for x in bars),
    ]


def _floor_lamp(rng):
    height = rng.uniform(1.3, 1.7)
    return [
        Part(0, 0.15, 0, 0.28, 0.28, 0.03, 'metal'),
        Part(0, 0.15, 0.03, 0.03, 0.03, height - 0.25, 'metal'),
        Part(0, 0.15, height - 0.22, 0.3, 0.3, 0.25, 'lamp'),
    ]


def _pillar(rng):
    side = rng.uniform(0.25, 0.4)
    return [Part(0, side / 2, 0, side, side, 2.2, 'concrete')]


def _stool(rng):
    height = rng.uniform(0.45, 0.75)
    return [
        Part(0, 0.18, height - 0.05, 0.36, 0.36, 0.05, 'bright'),
        Part(0, 0.18, 0.03, 0.06, 0.06, height - 0.08, 'metal'),
        Part(0, 0.18, 0, 0.34, 0.34, 0.03, 'metal'),
    ]


_MODULE_MAKERS = (
    furniture._table, furniture._coffee_table, furniture._desk,
    furniture._chair, furniture._sofa, furniture._armchair, furniture._bed,
    furniture._night_stand, furniture._shelf, furniture._low_shelf,
    furniture._cabinet, furniture._counter, furniture._fridge,
    furniture._washer, furniture._vanity, furniture._toilet,
    furniture._bath, _printer, _television, _plant, _cartons, _rack,
    _treadmill, _bench, _toys, _rug, _reception, _conference, _partition,
    _railing, _floor_lamp, _pillar, _stool,
)  # fmt: skip

MAKERS: dict[str, Maker] = {f.__name__[1:]: f for f in _MODULE_MAKERS}

# Pieces that stand with their back to a wall; the others stand anywhere.
AGAINST_WALL = frozenset(
    'desk sofa bed night_stand shelf cabinet counter fridge washer vanity '
    'toilet bath printer television rack railing'.split()
)
