"""Light: lamps with falloff and shadow, and the dimness of corners."""

import numpy as np

from .geometry import Hits
from .layout import Scene
from .textures import Surface

# Strength of the light that comes from everywhere.
_AMBIENT = 0.22
# Reach (metres) of the dimming where two surfaces meet.
_CORNER = 0.35


def light_surface(
    scene: Scene, surface: Surface, hits: Hits
) -> list[np.ndarray]:
    """Light the surface points of a picture.

    Args:
        scene: The room.
        surface: Colour of its points.
        hits: Where the rays end, on a grid of odd size whose odd rows and
            columns are the pixel centres.

    Returns:
        list[np.ndarray]: Red, green and blue radiance, (h, w) float32.
    """
    points = _points(scene, hits)
    ambient = _corner_dimming(scene, points)
    coarse = [p[1::2, 1::2] for p in points]
    rect = hits.rect[1::2, 1::2]
    ambient *= _spread(_contact(scene, coarse, rect))
    total = ambient * np.float32(_AMBIENT)
    for light in scene.lights:
        shadow = _spread(_soften(_shadow(scene, coarse, light)))
        total += _lambert(scene, points, hits.rect, light) * shadow
    warm = np.float32(scene.warmth)
    red, green, blue = (
        albedo * (total + surface.emission) for albedo in surface.albedo
    )
    return [red * warm, green, blue / warm]


def _points(scene: Scene, hits: Hits) -> list[np.ndarray]:
    """World coordinates where the rays end, three (h, w) float32, metres."""
    depth = 1 / hits.inverse_depth
    axes = scene.camera.axes.astype(np.float32)
    origin = scene.camera.position.astype(np.float32)
    return [
        origin[k]
        + depth
        * (axes[0, k] * hits.x + (axes[1, k] * hits.y + axes[2, k])[:, None])
        for k in range(3)
    ]


def _corner_dimming(scene: Scene, points: list[np.ndarray]) -> np.ndarray:
    """Share of the ambient light that reaches each point of the room."""
    light = np.ones(points[0].shape, np.float32)
    for value, size in zip(points, scene.size, strict=True):
        half = np.float32(size / 2)
        gap = half - np.abs(value - half)
        # A rational falloff is bit-equal on every machine; exp is not.
        gap *= np.float32(1 / _CORNER)
        dim = 1 - np.float32(0.45) / (1 + gap * gap)
        light *= dim
    return light


def _lambert(
    scene: Scene, points: list[np.ndarray], rect: np.ndarray, light: np.ndarray
) -> np.ndarray:
    """Light of a lamp on each point, shadows left out."""
    rects = scene.rects
    height = (rects.normal * (light[:3] - rects.origin)).sum(-1)
    height = np.maximum(height, 0) * light[3]
    square = np.float32(0.4) + sum(
        (np.float32(c) - p) ** 2
        for c, p in zip(light[:3], points, strict=True)
    )
    falloff = height.astype(np.float32).take(rect) / np.sqrt(square)
    return falloff * (2 / square + np.float32(0.12))


def _local(
    piece: np.ndarray, x: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Floor coordinates in a piece's frame, metres."""
    cos = np.float32(np.cos(piece[4]))
    sin = np.float32(np.sin(piece[4]))
    x, y = x - np.float32(piece[0]), y - np.float32(piece[1])
    return cos * x + sin * y, cos * y - sin * x


def _contact(
    scene: Scene, points: list[np.ndarray], rect: np.ndarray
) -> np.ndarray:
    """Dimming of the floor around and under the pieces, (h, w) float32."""
    light = np.ones(rect.shape, np.float32)
    floor = np.flatnonzero((points[2] < 0.03).ravel())
    if not len(floor):
        return light
    x, y = (p.ravel()[floor] for p in points[:2])
    kept = np.ones(len(floor), np.float32)
    for piece in scene.pieces:
        u, v = _local(piece, x, y)
        gap_u = np.maximum(np.abs(u) - np.float32(piece[2] / 2), 0)
        gap_v = np.maximum(np.abs(v) - np.float32(piece[3] / 2), 0)
        square = (gap_u * gap_u + gap_v * gap_v) * np.float32(1 / 0.15**2)
        kept *= 1 - np.float32(0.55) / (1 + square)
    light.ravel()[floor] = kept
    return light


def _shadow(
    scene: Scene, points: list[np.ndarray], light: np.ndarray
) -> np.ndarray:
    """Share of a lamp's light that passes the pieces, (h, w) float32."""
    lit = np.ones(points[0].shape, np.float32)
    lamp = light[:3].astype(np.float32)
    # Above the lamp no piece is in the way; any positive rise says so.
    rise = np.maximum(lamp[2] - points[2], np.float32(0.05))
    for piece in scene.pieces:
        # What is low throws no shadow to speak of beyond its contact.
        if not 0.35 < piece[5] < light[2] - 0.1:
            continue
        # Share of the way to the lamp at which the ray rises above the piece.
        leave = (np.float32(piece[5]) - points[2]) / rise
        u, v = _local(piece, points[0], points[1])
        goal = _local(piece, lamp[0], lamp[1])
        enter = np.full(u.shape, 0.02, np.float32)
        for start, end, half in zip((u, v), goal, piece[2:4] / 2, strict=True):
            step = end - start
            step = np.where(np.abs(step) < 1e-6, np.float32(1e-6), step)
            middle = -start / step
            reach = np.abs(np.float32(half - 0.01) / step)
            enter = np.maximum(enter, middle - reach)
            leave = np.minimum(leave, middle + reach)
        # Short ways through the piece are its edges and let light past.
        lit *= 1 - np.float32(0.6) * np.clip((leave - enter) * 12, 0, 1)
    return lit


def _soften(values: np.ndarray) -> np.ndarray:
    """Mean over 3 x 3 pixels."""
    padded = np.pad(values, 1, mode='edge')
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    return (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) * np.float32(1 / 9)


def _spread(values: np.ndarray) -> np.ndarray:
    """From pixel centres (h, w) to the ray grid (2 h + 1, 2 w + 1)."""
    height, width = values.shape
    wide = np.empty((height, 2 * width + 1), np.float32)
    wide[:, 1::2] = values
    wide[:, 2:-1:2] = (values[:, 1:] + values[:, :-1]) * np.float32(0.5)
    wide[:, 0], wide[:, -1] = values[:, 0], values[:, -1]
    full = np.empty((2 * height + 1, 2 * width + 1), np.float32)
    full[1::2] = wide
    full[2:-1:2] = (wide[1:] + wide[:-1]) * np.float32(0.5)
    full[0], full[-1] = wide[0], wide[-1]
    return full
