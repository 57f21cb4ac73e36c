"""Pictures of rooms: each a function of a seed and an index."""

from typing import NamedTuple

import numpy as np

from .geometry import cast_rays
from .layout import draw_scene
from .scene_types import SCENE_TYPES
from .sensor import add_noise, develop, measure_depth, to_bytes
from .shading import light_surface
from .textures import paint


class RoomPicture(NamedTuple):
    """A picture with its depth.

    Attributes:
        image: (H, W, 3) uint8, channels B, G, R.
        depth: Depth along the optical axis as measured, (H, W) float32
            metres, 0 where there is no measurement.
        depth_true: The same without noise and holes.
        scene_type: Name of the scene type.
    """

    image: np.ndarray
    depth: np.ndarray
    depth_true: np.ndarray
    scene_type: str


def ray_grid(
    size: tuple[int, int], focal: float
) -> tuple[np.ndarray, np.ndarray]:
    """Ray coordinates at pixel centres and half-way between them.

    Args:
        size: Height and width of the picture in pixels.
        focal: Focal length over the width.

    Returns:
        tuple: x (2 W + 1,) and y (2 H + 1,), float32. The odd entries
        belong to the pixel centres.
    """
    height, width = size
    scale = 1 / (focal * width)
    x = (np.arange(2 * width + 1) - width) * (0.5 * scale)
    y = (np.arange(2 * height + 1) - height) * (0.5 * scale)
    return x.astype(np.float32), y.astype(np.float32)


def render_room(
    seed: int,
    index: int,
    size: tuple[int, int] = (120, 160),
    scene_type: str | None = None,
    sensor: bool = True,
) -> RoomPicture:
    """Render picture ``index`` of the series ``seed``.

    Only exactly rounded operations touch the pixels, so that the picture
    does not depend on the machine.

    Args:
        seed: Names the series.
        index: Number of the picture, from 0.
        size: Height and width in pixels.
        scene_type: Scene type; by default ``SCENE_TYPES[index % 27]``.
        sensor: Whether to add the cameras' noise and the depth's holes.

    Raises:
        ValueError: If ``scene_type`` is unknown.
    """
    if scene_type is None:
        scene_type = SCENE_TYPES[index % len(SCENE_TYPES)]
    if scene_type not in SCENE_TYPES:
        raise ValueError(
            f'scene_type {scene_type!r} is unknown; choose one of '
            f'{", ".join(SCENE_TYPES)}'
        )
    rng = np.random.default_rng((seed, index))
    scene = draw_scene(rng, scene_type)
    camera = scene.camera
    hits = cast_rays(scene.rects, camera, *ray_grid(size, camera.focal))
    surface = paint(scene.rects, scene.materials, camera, hits, rng)
    image = develop(light_surface(scene, surface, hits), scene.exposure)
    depth_true = 1 / hits.inverse_depth[1::2, 1::2]
    depth = depth_true.copy()
    if sensor:
        image = add_noise(image, rng)
        focal = camera.focal * size[1]
        emission = surface.emission[1::2, 1::2]
        depth = measure_depth(depth, emission, focal, rng)
    return RoomPicture(to_bytes(image), depth, depth_true, scene_type)
