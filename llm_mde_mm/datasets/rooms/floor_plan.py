"""Where pieces of furniture find room."""

import numpy as np

# Free space around the camera (metres): what is nearer would be out of the
# depth camera's range.
CLEARANCE = 0.65


class FloorPlan:
    """Keeps pieces apart from each other, the walls and the camera.

    Args:
        rng: Source of the random choices.
        size: Extent of the floor along x and y, metres.
        view: Position of the camera and its unit direction on the floor,
            (x, y, dx, dy).
    """

    def __init__(
        self,
        rng: np.random.Generator,
        size: tuple[float, float],
        view: tuple[float, float, float, float],
    ) -> None:
        self.rng = rng
        self.size = size
        self.view = view
        self.taken: list[tuple[float, float, float, float]] = []

    def find(
        self, half: tuple[float, float], height: float, at_wall: bool
    ) -> tuple[float, float, float] | None:
        """Find a free place, rather within the picture than without.

        Args:
            half: Half the width and depth of the piece, metres.
            height: Its height, metres; what is flat may lie below others.
            at_wall: Whether its back belongs to a wall.

        Returns:
            tuple | None: Middle x and y in metres and turn in radians; None
            where none of a few tries is free.
        """
        flat = height < 0.05
        for trial in range(12):
            x, y, yaw = self._spot(at_wall, half)
            if trial < 8 and not self._in_view(x, y):
                continue
            cos, sin = abs(float(np.cos(yaw))), abs(float(np.sin(yaw)))
            reach_x = cos * half[0] + sin * half[1]
            reach_y = sin * half[0] + cos * half[1]
            area = (x - reach_x, y - reach_y, x + reach_x, y + reach_y)
            if not self._inside(area):
                continue
            if flat:
                return x, y, yaw
            if self._is_free(area, height):
                self.taken.append(area)
                return x, y, yaw
        return None

    def _inside(self, area: tuple[float, float, float, float]) -> bool:
        """Whether (x0, y0, x1, y1) is within the walls."""
        x0, y0, x1, y1 = area
        return min(x0, y0) > 0 and x1 < self.size[0] and y1 < self.size[1]

    def _is_free(
        self, area: tuple[float, float, float, float], height: float
    ) -> bool:
        """Whether a piece may stand on (x0, y0, x1, y1)."""
        x0, y0, x1, y1 = area
        x, y, dx, dy = self.view
        # A tall piece right before the lens would hide the room.
        for ahead in (0.0, 0.7, 1.4) if height > 0.9 else (0.0, 0.5):
            px, py = x + ahead * dx, y + ahead * dy
            gap_x = max(x0 - px, px - x1, 0.0)
            gap_y = max(y0 - py, py - y1, 0.0)
            if gap_x * gap_x + gap_y * gap_y < CLEARANCE**2:
                return False
        return all(
            x0 >= b[2] or b[0] >= x1 or y0 >= b[3] or b[1] >= y1
            for b in self.taken
        )

    def _in_view(self, x: float, y: float) -> bool:
        """Whether a point of the floor is within the picture's width."""
        here_x, here_y, dx, dy = self.view
        x, y = x - here_x, y - here_y
        return abs(x * dy - y * dx) < 0.7 * (x * dx + y * dy)

    def _spot(
        self, at_wall: bool, half: tuple[float, float]
    ) -> tuple[float, float, float]:
        """Draw a centre (metres) and a turn (radians) for a footprint."""
        rng, (width, depth) = self.rng, self.size
        if not at_wall:
            turn = int(rng.integers(4)) * np.pi / 2
            if rng.random() < 0.5:
                turn += float(rng.uniform(-0.6, 0.6))
            return (
                float(rng.uniform(0, width)),
                float(rng.uniform(0, depth)),
                float(turn),
            )
        side, gap = int(rng.integers(4)), half[1] + 0.02
        share = float(rng.uniform(0, 1))
        # The front (+y of the piece) faces away from the wall.
        along = half[0] + share * (
            (width if side % 2 == 0 else depth) - 2 * half[0]
        )
        x, y = (
            (along, gap),
            (width - gap, along),
            (along, depth - gap),
            (gap, along),
        )[side]
        return x, y, side * np.pi / 2
