"""A room put together: surfaces, camera, furniture, things on the walls."""

import numpy as np

from .camera import Camera, aim_camera
from .floor_plan import FloorPlan
from .furniture import Part
from .geometry import Rects
from .geometry import room_rects as inner_rects
from .material import Material
from .materials import make_material
from .more_furniture import AGAINST_WALL, MAKERS
from .scene_types import PALETTES, Recipe

# Kinect of NYU Depth v2: 519 pixels at a width of 640.
FOCAL = 519.0 / 640.0


class RoomBuilder:
    """Collects the boxes and the materials of a room.

    Args:
        rng: Source of the random choices.
        recipe: What the room is drawn from.
    """

    def __init__(self, rng: np.random.Generator, recipe: Recipe) -> None:
        self.rng = rng
        self.recipe = recipe
        self.size = (
            float(rng.uniform(*recipe.extent)),
            float(rng.uniform(*recipe.extent)),
            float(rng.uniform(*recipe.height)),
        )
        self.materials: list[Material] = []
        self.boxes: list[tuple[float, ...]] = []
        self.box_material: list[int] = []
        self.pieces: list[tuple[float, ...]] = []
        self.hung: list[tuple[int, float, float]] = []

    def material(self, kind: str) -> int:
        """Draw a material and return its index."""
        palette = PALETTES[self.recipe.palette]
        self.materials.append(
            make_material(kind.rstrip('0123456789'), self.rng, palette)
        )
        return len(self.materials) - 1

    def surfaces(self) -> Rects:
        """The room's own six faces."""
        rng, recipe = self.rng, self.recipe
        wall = self.material(str(rng.choice(recipe.walls)))
        accent = wall
        if rng.random() < 0.3:
            accent = self.material('paint')
        walls = [wall] * 4
        walls[int(rng.integers(4))] = accent
        tall = recipe.height[0] > 2.5
        ceiling = self.material('panels' if tall else 'ceiling')
        floor = self.material(str(rng.choice(recipe.floors)))
        return inner_rects(self.size, [*walls, ceiling, floor])

    def aim(self) -> tuple[Camera, FloorPlan]:
        """Place the camera, looking across the room."""
        rng, size = self.rng, self.size
        spots = []
        for _ in range(16):
            here = [float(rng.uniform(0.5, s - 0.5)) for s in size[:2]]
            goal = [s * float(rng.uniform(0.25, 0.75)) for s in size[:2]]
            spots.append((*here, goal[0] - here[0], goal[1] - here[1]))
        # The longest view of a few: people photograph rooms, not walls.
        x, y, dx, dy = max(spots, key=lambda s: s[2] ** 2 + s[3] ** 2)
        height = float(rng.uniform(1.2, 1.6))
        yaw = float(np.arctan2(dy, dx) + rng.normal(0, 0.1))
        pitch = float(np.clip(rng.normal(-0.35, 0.25), -0.9, 0.15))
        roll = float(np.clip(rng.normal(0, 0.02), -0.06, 0.06))
        focal = FOCAL * float(rng.uniform(0.97, 1.03))
        position = np.array([x, y, height])
        view = (x, y, float(np.cos(yaw)), float(np.sin(yaw)))
        return (
            aim_camera(position, yaw, pitch, roll, focal),
            FloorPlan(rng, size[:2], view),
        )

    def place(self, name: str, plan: FloorPlan) -> None:
        """Stand a piece somewhere free, or leave it out."""
        parts = MAKERS[name](self.rng)
        left = min(p.x - p.width / 2 for p in parts)
        right = max(p.x + p.width / 2 for p in parts)
        back = min(p.y - p.depth / 2 for p in parts)
        front = max(p.y + p.depth / 2 for p in parts)
        height = max(p.z + p.height for p in parts)
        middle = ((left + right) / 2, (back + front) / 2)
        half = ((right - left) / 2, (front - back) / 2)
        found = plan.find(half, height, name in AGAINST_WALL)
        if found is None:
            return
        x, y, yaw = found
        if height > 0.05:
            self.pieces.append((x, y, 2 * half[0], 2 * half[1], yaw, height))
        self._add(parts, (x, y), yaw, middle)

    def _add(
        self,
        parts: list[Part],
        centre: tuple[float, float],
        yaw: float,
        middle: tuple[float, float],
    ) -> None:
        """Add the boxes of a piece, turned and moved into the room."""
        cos, sin = float(np.cos(yaw)), float(np.sin(yaw))
        drawn = {
            kind: self.material(kind) for kind in {p.kind: 0 for p in parts}
        }
        for p in parts:
            x, y = p.x - middle[0], p.y - middle[1]
            self.boxes.append(
                (
                    centre[0] + cos * x - sin * y,
                    centre[1] + sin * x + cos * y,
                    p.z + p.height / 2,
                    p.width,
                    p.depth,
                    p.height,
                    yaw,
                )
            )
            self.box_material.append(drawn[p.kind])

    def hang(self, kind: str, span: tuple[float, float, float]) -> None:
        """Put a flat panel on a wall: width, height and underside, metres."""
        side, (width, low, high) = int(self.rng.integers(4)), span
        along = (self.size[0] if side % 2 == 0 else self.size[1]) - width
        if along < 0.2 or low + high > self.size[2] - 0.05:
            return
        middle = width / 2 + float(self.rng.uniform(0.05, 0.95)) * along
        ends = (side, middle - width / 2, middle + width / 2)
        if any(
            side == other and ends[1] < end and start < ends[2]
            for other, start, end in self.hung
        ):
            return
        self.hung.append(ends)
        thick = 0.03
        x, y = (
            (middle, thick / 2),
            (self.size[0] - thick / 2, middle),
            (middle, self.size[1] - thick / 2),
            (thick / 2, middle),
        )[side]
        self.boxes.append(
            (x, y, low + high / 2, width, thick, high, side * np.pi / 2)
        )
        self.box_material.append(self.material(kind))
