"""Materials of walls, floors and ceilings and of what hangs there."""

from .colors import BRIGHT, FABRICS, WOODS, pick_color, scale_color
from .material import Material


def _paint(rng, wall):
    return Material(pick_color(rng, wall), grain=0.07, grain_size=0.5)


def _paper(rng, wall):
    color = pick_color(rng, wall)
    return Material(
        color,
        scale_color(color, rng.uniform(0.7, 0.88)),
        cell_u=rng.uniform(0.08, 0.25),
        check=1.0,
        grain=0.05,
    )


def _brick(rng, wall):
    color = pick_color(rng, ((0.40, 0.16, 0.10), (0.45, 0.42, 0.38)))
    line = scale_color(color, 1.7)
    return Material(color, line, 0.24, 0.08, 0.5, 0.012, tint=0.4, grain=0.2)


def _wall_tile(rng, wall):
    color = pick_color(rng, wall)
    side = rng.uniform(0.1, 0.25)
    line = scale_color(color, 0.6)
    return Material(color, line, side, side, 0.0, 0.008, tint=0.08)


def _floor_tile(rng, wall):
    color = pick_color(
        rng, ((0.6, 0.56, 0.5), (0.4, 0.36, 0.32), (0.5, 0.4, 0.3))
    )
    side = rng.uniform(0.25, 0.5)
    line = scale_color(color, 0.45)
    check = float(rng.random() < 0.35)
    return Material(
        color, line, side, side, 0.0, 0.012, check, tint=0.12, grain=0.15
    )


def _planks(rng, wall):
    color = pick_color(rng, WOODS)
    return Material(
        color,
        scale_color(color, 0.35),
        rng.uniform(0.8, 1.4),
        rng.uniform(0.08, 0.16),
        0.37,
        0.006,
        tint=0.45,
        grain=0.2,
        grain_size=0.08,
    )


def _carpet(rng, wall):
    return Material(pick_color(rng, FABRICS), grain=0.35, grain_size=0.05)


def _rug(rng, wall):
    color = pick_color(rng, FABRICS + BRIGHT)
    second = pick_color(rng, FABRICS)
    side = rng.uniform(0.15, 0.4)
    return Material(color, second, side, side, 0.5, 0.05, tint=0.4, grain=0.2)


def _concrete(rng, wall):
    color = pick_color(rng, ((0.36, 0.36, 0.35),))
    return Material(color, grain=0.4, grain_size=0.3)


def _ceiling(rng, wall):
    return Material((0.8, 0.79, 0.76), grain=0.03)


def _panels(rng, wall):
    return Material(
        (0.75, 0.75, 0.72), (0.5, 0.5, 0.5), 0.6, 0.6, 0.0, 0.02, grain=0.1
    )


def _window(rng, wall):
    sky = pick_color(rng, ((0.6, 0.75, 0.95), (0.85, 0.88, 0.9)))
    frame = (0.7, 0.7, 0.68)
    panes = -float(rng.integers(1, 4))
    return Material(
        sky, frame, panes, -2, 0, 0.08, grain=0.3, grain_size=0.5,
        emission=rng.uniform(0.6, 1.4),
    )  # fmt: skip


def _door(rng, wall):
    color = pick_color(rng, WOODS + ((0.7, 0.68, 0.62),))
    return Material(
        color, scale_color(color, 0.5), -2, -3, 0, 0.06, grain=0.15
    )


def _board(rng, wall):
    color = pick_color(rng, ((0.8, 0.8, 0.8), (0.05, 0.14, 0.09)))
    return Material(color, (0.3, 0.22, 0.14), line=0.06, grain=0.1)


FINISHES = {
    f.__name__[1:]: f
    for f in (
        _paint, _paper, _brick, _wall_tile, _floor_tile, _planks, _carpet,
        _rug, _concrete, _ceiling, _panels, _window, _door, _board,
    )
}  # fmt: skip
