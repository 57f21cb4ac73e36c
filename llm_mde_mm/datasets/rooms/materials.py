"""Materials of furniture, and the table of all materials."""

import numpy as np

from .colors import BRIGHT, FABRICS, WOODS, Color, pick_color, scale_color
from .finishes import FINISHES
from .material import Material


def make_material(
    name: str, rng: np.random.Generator, wall: tuple[Color, ...] = ()
) -> Material:
    """Draw one material of a kind.

    Args:
        name: A kind, one of ``MATERIALS``.
        rng: Source of the random choices.
        wall: Colours to choose from for the kinds painted like the walls.

    Raises:
        KeyError: If there is no such kind.
    """
    return MATERIALS[name](rng, wall or ((0.7, 0.68, 0.62),))


def _wood(rng, wall):
    color = pick_color(rng, WOODS)
    return Material(color, grain=0.3, grain_size=rng.uniform(0.03, 0.1))


def _fabric(rng, wall):
    color = pick_color(rng, FABRICS)
    striped = float(rng.random() < 0.25)
    return Material(
        color,
        scale_color(color, rng.uniform(1.4, 2.2)),
        cell_u=rng.uniform(0.05, 0.15),
        check=striped,
        grain=0.2,
        grain_size=0.04,
    )


def _bright(rng, wall):
    return Material(pick_color(rng, BRIGHT), grain=0.08)


def _white(rng, wall):
    return Material(pick_color(rng, ((0.75, 0.75, 0.73),)), grain=0.04)


def _metal(rng, wall):
    color = pick_color(rng, ((0.4, 0.41, 0.43), (0.15, 0.15, 0.16)))
    return Material(color, grain=0.12)


def _doors(rng, wall):
    color = pick_color(rng, WOODS + ((0.7, 0.69, 0.66),))
    return Material(
        color,
        scale_color(color, 0.3),
        rng.uniform(0.35, 0.6),
        rng.uniform(0.3, 0.7),
        0.0,
        0.012,
        tint=0.06,
        grain=0.2,
    )


def _books(rng, wall):
    color = pick_color(rng, ((0.33, 0.28, 0.25),))
    return Material(
        color,
        (0.03, 0.03, 0.03),
        rng.uniform(0.03, 0.06),
        rng.uniform(0.28, 0.36),
        0.3,
        0.006,
        tint=0.6,
        chroma=1.2,
    )


def _cardboard(rng, wall):
    color = pick_color(rng, ((0.45, 0.32, 0.18), (0.38, 0.27, 0.16)))
    return Material(
        color, scale_color(color, 0.7), -2, -1, 0, 0.02, grain=0.15
    )


def _picture(rng, wall):
    color = pick_color(rng, FABRICS + BRIGHT)
    frame = pick_color(rng, WOODS)
    return Material(color, frame, line=0.08, grain=1.2, grain_size=0.12)


def _screen(rng, wall):
    lit = float(rng.random() < 0.5)
    color = (0.1, 0.2, 0.4) if lit else (0.02, 0.02, 0.025)
    return Material(
        color, (0.02, 0.02, 0.02), line=0.03, grain=0.8, emission=lit
    )


def _leaves(rng, wall):
    color = pick_color(rng, ((0.06, 0.2, 0.05), (0.1, 0.25, 0.06)))
    return Material(color, grain=1.0, grain_size=0.06)


def _lamp(rng, wall):
    return Material((0.95, 0.92, 0.85), grain=0.0, emission=2.5)


MATERIALS = FINISHES | {
    f.__name__[1:]: f
    for f in (
        _wood, _fabric, _bright, _white, _metal, _doors, _books,
        _cardboard, _picture, _screen, _leaves, _lamp,
    )
}  # fmt: skip
