"""Colour of every ray's surface point."""

from typing import NamedTuple

import numpy as np

from .camera import Camera
from .geometry import Hits, Rects, affine_rows
from .material import Material

# Side of the periodic table of the smooth noise, a power of two.
_TABLE = 64
# Number of colours that the cells draw from, a power of two.
_CELLS = 1024


class Surface(NamedTuple):
    """Colour of surface points.

    Attributes:
        albedo: Linear red, green and blue, each (h, w) float32.
        emission: Light of its own, (h, w) float32.
    """

    albedo: list[np.ndarray]
    emission: np.ndarray


def paint(
    rects: Rects,
    materials: list[Material],
    camera: Camera,
    hits: Hits,
    rng: np.random.Generator,
) -> Surface:
    """Evaluate the materials where the rays end.

    Patterns finer than a pixel fade to their mean, as a lens would blur
    them.

    Args:
        rects: The rectangles that were cast.
        materials: Materials they refer to.
        camera: The camera.
        hits: Result of the casting.
        rng: Source of the noise and of the cells' colours.
    """
    table = _Table(rects, materials, camera)
    rect, depth = hits.rect, 1 / hits.inverse_depth
    x, y = hits.x, hits.y[:, None]
    u, v = (_affine(rows, rect, x, y) * depth for rows in table.uv)
    footprint = depth * depth * table.slope.take(rect)
    footprint *= np.float32(x[1] - x[0])
    fade = footprint / table.fine.take(rect)
    fade = np.clip(np.float32(1.5) - fade, 0, 1)
    row, column, line = _cells(table, rect, u, v, footprint)

    odd = ((column + row) & 1).astype(np.float32) - np.float32(0.5)
    check = table.check.take(rect) * (np.float32(0.5) + odd * fade)
    mix = np.maximum(check, line)
    key = (column * 73 + row * 151 + rect * 17) & (_CELLS - 1)
    draws = rng.random((4, _CELLS), np.float32) - np.float32(0.5)
    gain = 1 + draws[3].take(key) * table.tint.take(rect) * fade
    gain += _grain(table, rect, u, v, footprint, rng)
    colored = table.chroma.any()
    spread = table.chroma.take(rect) * fade * (1 - mix) if colored else None
    albedo = []
    for channel in range(3):
        base = table.color[channel].take(rect)
        value = base + mix * (table.second[channel].take(rect) - base)
        value *= gain
        if spread is not None:
            value += draws[channel].take(key) * spread * base
        albedo.append(np.clip(value, np.float32(0.01), np.float32(0.95)))
    return Surface(albedo, table.emission.take(rect) * (1 - line))


def _cells(
    table: '_Table',
    rect: np.ndarray,
    u: np.ndarray,
    v: np.ndarray,
    footprint: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row and column of each point's cell and its share of a line."""
    half = np.float32(0.5)
    v = v * table.per_metre[1].take(rect)
    row = np.floor(v)
    u = u * table.per_metre[0].take(rect) + row * table.stagger.take(rect)
    column = np.floor(u)
    gap_u = (half - np.abs(u - column - half)) * table.cell[0].take(rect)
    gap_v = (half - np.abs(v - row - half)) * table.cell[1].take(rect)
    width = table.line.take(rect)
    pixel = footprint + np.float32(1e-4)
    share = (width - np.minimum(gap_u, gap_v)) / pixel + half
    # A line thinner than a pixel covers a part of it.
    line = np.clip(share, 0, 1) * np.minimum(1, 2 * width / pixel)
    return row.astype(np.int64), column.astype(np.int64), line


def _grain(
    table: '_Table',
    rect: np.ndarray,
    u: np.ndarray,
    v: np.ndarray,
    footprint: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Smooth change of brightness, (h, w) float32 about 0."""
    noise = rng.random((_TABLE, _TABLE), np.float32) - np.float32(0.5)
    scale = table.grain_scale.take(rect)
    fade = np.clip(np.float32(1.5) - footprint * scale, 0, 1)
    smooth = _smooth(noise, u * scale, v * scale)
    return smooth * fade * table.grain.take(rect)


class _Table:
    """Parameters of each rectangle, one float32 array a quantity."""

    def __init__(
        self, rects: Rects, materials: list[Material], camera: Camera
    ) -> None:
        flat = [(*m.color, *m.second, *m[2:]) for m in materials]
        values = np.array(flat)[rects.material]
        cell = values[:, 6:8]
        cell = np.where(cell > 0, cell, -rects.length / cell)
        rows = affine_rows(rects, camera)
        # The angle between ray and surface stretches a pixel's footprint.
        height = np.abs(
            (rects.normal * (camera.position - rects.origin)).sum(-1)
        )
        slope = 1 / np.maximum(height, 1e-3)
        self.uv = [rows[:, k].T.astype(np.float32) for k in (1, 2)]
        self.slope = slope.astype(np.float32)
        columns = values.T.astype(np.float32)
        self.color, self.second = columns[:3], columns[3:6]
        self.cell = cell.T.astype(np.float32)
        self.per_metre = (1 / cell).T.astype(np.float32)
        self.fine = cell.min(1).astype(np.float32)
        self.stagger, self.line = columns[8], columns[9] / 2
        self.check, self.tint, self.chroma = columns[10:13]
        self.grain, self.grain_scale = 2 * columns[13], 1 / columns[14]
        self.emission = columns[15]


def _affine(
    rows: np.ndarray, rect: np.ndarray, x: np.ndarray, y: np.ndarray
) -> np.ndarray:
    """Evaluate each ray's own row of coefficients (3, R) at (x, y, 1)."""
    value = rows[1].take(rect)
    value *= y
    value += rows[2].take(rect)
    value += rows[0].take(rect) * x
    return value


def _smooth(noise: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Bilinear value noise of a periodic table at (u, v)."""
    low_u, low_v = np.floor(u), np.floor(v)
    u, v = u - low_u, v - low_v
    mask = _TABLE - 1
    left = low_u.astype(np.int32) & mask
    top = (low_v.astype(np.int32) & mask) * _TABLE
    # Differences of neighbours in the table save two of four look-ups' sums.
    flat = noise.ravel()
    step_u = (np.roll(noise, -1, 1) - noise).ravel()
    below = np.roll(noise, -1, 0)
    step_v = (below - noise).ravel()
    twist = (np.roll(below, -1, 1) - below).ravel() - step_u
    key = top + left
    return (
        flat.take(key)
        + u * step_u.take(key)
        + v * (step_v.take(key) + u * twist.take(key))
    )
