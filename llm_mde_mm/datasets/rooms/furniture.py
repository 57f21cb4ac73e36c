"""Pieces of furniture, composed of boxes.

Each maker returns parts in the piece's own frame: x to the side, y to the
front, z up from the floor, the back at y = 0 and the middle at x = 0.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Part(NamedTuple):
    """A box of a piece: its middle in x and y, its underside and its size.

    All in metres; ``kind`` names the material, and a digit at its end tells
    apart two draws of one kind within a piece.
    """

    x: float
    y: float
    z: float
    width: float
    depth: float
    height: float
    kind: str


Maker = Callable[[np.random.Generator], list[Part]]


def _legs(
    width: float, depth: float, height: float, kind: str, thick: float = 0.05
) -> list[Part]:
    """Four legs under a top that starts at y = 0."""
    side, back, front = width / 2 - thick, thick, depth - thick
    return [
        Part(x, y, 0, thick, thick, height, kind)
        for x in (-side, side)
        for y in (back, front)
    ]


def _table(rng):
    width, depth = rng.uniform(0.9, 1.8), rng.uniform(0.7, 1.0)
    height = rng.uniform(0.7, 0.78)
    top = Part(0, depth / 2, height - 0.05, width, depth, 0.05, 'wood')
    parts = [top, *_legs(width, depth, height - 0.05, 'wood')]
    if rng.random() < 0.5:
        parts.append(Part(0, depth / 2, height, 0.25, 0.25, 0.12, 'bright'))
    return parts


def _coffee_table(rng):
    width, depth = rng.uniform(0.8, 1.2), rng.uniform(0.5, 0.7)
    height = rng.uniform(0.35, 0.45)
    top = Part(0, depth / 2, height - 0.05, width, depth, 0.05, 'wood')
    book = Part(0.1, depth / 2, height, 0.3, 0.22, 0.04, 'bright')
    return [top, book, *_legs(width, depth, height - 0.05, 'wood')]


def _desk(rng):
    width, depth = rng.uniform(1.1, 1.6), rng.uniform(0.6, 0.8)
    return [
        Part(0, depth / 2, 0.7, width, depth, 0.04, 'wood'),
        Part(-width / 2 + 0.2, depth / 2, 0, 0.4, depth - 0.1, 0.7, 'doors'),
        Part(width / 2 - 0.03, depth / 2, 0, 0.05, depth - 0.1, 0.7, 'wood'),
        Part(0.1, 0.2, 0.84, 0.5, 0.04, 0.32, 'screen'),
        Part(0.1, 0.2, 0.74, 0.2, 0.16, 0.1, 'metal'),
        Part(0.1, 0.45, 0.74, 0.42, 0.14, 0.02, 'metal'),
    ]


def _chair(rng):
    seat, side = rng.uniform(0.43, 0.48), rng.uniform(0.4, 0.48)
    rise = rng.uniform(0.35, 0.5)
    kind = 'wood' if rng.random() < 0.5 else 'fabric'
    return [
        Part(0, side / 2, seat - 0.05, side, side, 0.05, kind),
        Part(0, 0.02, seat, side, 0.04, rise, kind),
        *_legs(side, side, seat - 0.05, 'metal', 0.035),
    ]


def _sofa(rng, width=None):
    width = rng.uniform(1.5, 2.2) if width is None else width
    depth, seat = rng.uniform(0.8, 0.95), rng.uniform(0.38, 0.45)
    arm = 0.18
    cushion = (width - 2 * arm) / 2
    return [
        Part(0, depth / 2, 0.08, width, depth, seat - 0.18, 'fabric'),
        Part(0, 0.12, 0.1, width, 0.24, seat + 0.35, 'fabric'),
        Part(-width / 2 + arm / 2, depth / 2, 0.1, arm, depth, 0.5, 'fabric'),
        Part(width / 2 - arm / 2, depth / 2, 0.1, arm, depth, 0.5, 'fabric'),
        Part(-cushion / 2, depth / 2 + 0.1, seat - 0.1, cushion - 0.02,
             depth - 0.24, 0.14, 'fabric'),
        Part(cushion / 2, depth / 2 + 0.1, seat - 0.1, cushion - 0.02,
             depth - 0.24, 0.14, 'fabric'),
        Part(cushion / 2, 0.32, seat + 0.04, 0.4, 0.12, 0.36, 'bright'),
    ]  # fmt: skip


def _armchair(rng):
    return _sofa(rng, rng.uniform(0.85, 1.0))[:5]


def _bed(rng):
    width, length = rng.uniform(1.0, 1.8), rng.uniform(1.95, 2.1)
    parts = [
        Part(0, length / 2, 0.1, width, length, 0.2, 'wood'),
        Part(0, length / 2, 0.3, width - 0.04, length - 0.06, 0.2, 'white'),
        Part(0, length * 0.64, 0.32, width, length * 0.7, 0.22, 'fabric'),
        Part(0, 0.03, 0, width, 0.06, rng.uniform(0.8, 1.1), 'wood'),
    ]
    for x in (-width / 4, width / 4):
        parts.append(Part(x, 0.3, 0.5, width / 2 - 0.1, 0.35, 0.12, 'white2'))
    return parts


def _night_stand(rng):
    return [
        Part(0, 0.2, 0, 0.45, 0.4, 0.5, 'doors'),
        Part(0, 0.2, 0.5, 0.06, 0.06, 0.2, 'metal'),
        Part(0, 0.2, 0.7, 0.24, 0.24, 0.2, 'lamp'),
    ]


def _shelf(rng):
    width, height = rng.uniform(0.8, 1.6), rng.uniform(1.4, 2.1)
    depth, boards = 0.32, int(rng.integers(3, 5))
    pitch = height / boards
    parts = [
        Part(x, depth / 2, 0, 0.03, depth, height, 'wood')
        for x in (-width / 2, width / 2)
    ]
    for level in range(boards + 1):
        parts.append(
            Part(0, depth / 2, level * pitch, width, depth, 0.03, 'wood')
        )
    for level in range(boards):
        fill = rng.uniform(0.55, 0.85) * (pitch - 0.03)
        span = rng.uniform(0.6, 0.98) * width
        parts.append(
            Part((span - width) / 2, 0.12, level * pitch + 0.03, span, 0.24,
                 fill, 'books')
        )  # fmt: skip
    return parts


def _low_shelf(rng):
    width = rng.uniform(1.2, 2.2)
    return [
        Part(0, 0.2, 0, width, 0.36, 1.1, 'books'),
        Part(0, 0.2, 1.1, width + 0.04, 0.42, 0.04, 'wood'),
        Part(0, 0.22, 0.52, width + 0.02, 0.4, 0.03, 'wood'),
    ]


def _cabinet(rng):
    width, height = rng.uniform(0.7, 1.6), rng.uniform(0.8, 2.0)
    return [Part(0, 0.25, 0, width, 0.5, height, 'doors')]


def _counter(rng):
    width = rng.uniform(1.6, 2.8)
    parts = [
        Part(0, 0.3, 0.08, width, 0.58, 0.78, 'doors'),
        Part(0, 0.31, 0.86, width, 0.62, 0.04, 'concrete'),
        Part(0, 0.17, 1.45, width, 0.34, 0.65, 'doors'),
        Part(-width / 4, 0.3, 0.9, 0.5, 0.4, 0.02, 'metal'),
        Part(width / 4, 0.2, 0.9, 0.25, 0.25, 0.28, 'metal2'),
    ]
    return parts


def _fridge(rng):
    height = rng.uniform(1.5, 1.9)
    kind = 'white' if rng.random() < 0.5 else 'metal'
    return [
        Part(0, 0.33, 0, 0.7, 0.66, height * 0.6, kind),
        Part(0, 0.33, height * 0.61, 0.7, 0.66, height * 0.39, kind),
        Part(0.28, 0.68, height * 0.35, 0.03, 0.04, 0.4, 'metal2'),
    ]


def _washer(rng):
    return [
        Part(0, 0.3, 0, 0.6, 0.6, 0.88, 'white'),
        Part(0, 0.605, 0.25, 0.36, 0.02, 0.36, 'screen'),
        Part(0, 0.04, 0.88, 0.6, 0.08, 0.15, 'metal'),
    ]


def _vanity(rng):
    width = rng.uniform(0.7, 1.2)
    return [
        Part(0, 0.25, 0, width, 0.5, 0.8, 'doors'),
        Part(0, 0.26, 0.8, width + 0.02, 0.52, 0.05, 'white'),
        Part(0, 0.02, 1.1, width * 0.8, 0.03, 0.8, 'picture'),
        Part(0, 0.1, 0.85, 0.05, 0.15, 0.15, 'metal'),
    ]


def _toilet(rng):
    return [
        Part(0, 0.1, 0.35, 0.42, 0.2, 0.42, 'white'),
        Part(0, 0.42, 0, 0.24, 0.4, 0.36, 'white'),
        Part(0, 0.43, 0.36, 0.38, 0.5, 0.06, 'white'),
    ]


def _bath(rng):
    length = rng.uniform(1.4, 1.7)
    return [
        Part(0, 0.04, 0, length, 0.08, 0.55, 'white'),
        Part(0, 0.71, 0, length, 0.08, 0.55, 'white'),
        Part(0, 0.375, 0, length, 0.6, 0.2, 'white'),
        Part(-length / 2 + 0.05, 0.375, 0, 0.1, 0.75, 0.55, 'white'),
        Part(length / 2 - 0.05, 0.375, 0, 0.1, 0.75, 0.55, 'white'),
    ]
