"""A room drawn from a recipe: surfaces, furniture, lights and a camera."""

from typing import NamedTuple

import numpy as np

from .builder import RoomBuilder
from .camera import Camera
from .geometry import Rects, box_rects, join_rects
from .material import Material
from .scene_types import RECIPES

# Scene types with a board to write on.
BOARDED = frozenset(('conference_room', 'study_room', 'classroom', 'office'))


class Scene(NamedTuple):
    """A room ready to be rendered.

    Attributes:
        size: Extent along x, y and z, metres.
        rects: Its surfaces; the first six are the room itself.
        materials: Materials that the rectangles refer to.
        camera: The camera.
        lights: Position (metres) and strength of each light, (L, 4).
        pieces: Footprint and height of each piece that stands on the floor:
            centre (x, y), size (x, y), turn and height, (P, 6).
        exposure: Mean brightness the picture is exposed for.
        warmth: Gain of the red over the blue channel.
    """

    size: tuple[float, float, float]
    rects: Rects
    materials: list[Material]
    camera: Camera
    lights: np.ndarray
    pieces: np.ndarray
    exposure: float
    warmth: float


def _decorate(builder: RoomBuilder, board: bool) -> None:
    """Hang doors, windows and pictures."""
    rng, recipe = builder.rng, builder.recipe
    builder.hang('door', (rng.uniform(0.8, 1.0), 0.0, rng.uniform(2.0, 2.1)))
    if board:
        builder.hang('board', (rng.uniform(1.2, 2.4), 0.9, 1.0))
    for _ in range(int(rng.integers(recipe.windows + 1))):
        span = (rng.uniform(0.8, 1.8), 0.9, rng.uniform(0.9, 1.3))
        builder.hang('window', span)
    for _ in range(int(rng.integers(4))):
        width, height = rng.uniform(0.35, 1.0), rng.uniform(0.35, 0.7)
        builder.hang('picture', (width, rng.uniform(1.2, 1.5), height))


def draw_scene(rng: np.random.Generator, scene_type: str) -> Scene:
    """Draw a room of a scene type.

    Args:
        rng: Source of the random choices.
        scene_type: A key of ``RECIPES``.
    """
    recipe = RECIPES[scene_type]
    builder = RoomBuilder(rng, recipe)
    room = builder.surfaces()
    camera, plan = builder.aim()
    for entry in recipe.furniture.split():
        name, counts = entry.split(':')
        least, most = (int(c) for c in counts.split('-'))
        for _ in range(int(rng.integers(least, most + 1))):
            builder.place(name, plan)
    _decorate(builder, scene_type in BOARDED)
    width, depth, height = builder.size
    lights = []
    for _ in range(1 + int(max(width, depth) > 4.5)):
        x, y = width * rng.uniform(0.25, 0.75), depth * rng.uniform(0.25, 0.75)
        lights.append((x, y, height - 0.3, rng.uniform(0.7, 1.3)))
    boxes = box_rects(np.array(builder.boxes), np.array(builder.box_material))
    return Scene(
        builder.size,
        join_rects(room, boxes),
        builder.materials,
        camera,
        np.array(lights),
        np.array(builder.pieces).reshape(-1, 6),
        float(rng.uniform(*recipe.light)),
        float(rng.uniform(0.95, 1.3)),
    )
