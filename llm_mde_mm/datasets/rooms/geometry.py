"""Rectangles, boxes made of them, and the casting of rays onto them.

World axes: x and y along the walls, z up, metres, the room's lowest corner
at the origin. A ray of pixel (x, y) is ``position + depth * (x * right +
y * down + forward)``, so its parameter is the depth along the optical axis,
as a depth camera reports it. On a plane the inverse of that depth is affine
in (x, y), which makes casting a rectangle a handful of array operations.
"""

from typing import NamedTuple

import numpy as np

from .camera import Camera

# Rectangles of one solid overlap by this much (metres), so that rounding
# opens no cracks between two faces that share an edge.
SEAM = 1e-4
# Surfaces nearer to the camera than this (metres) are not seen.
NEAR = 0.05

# Per face of a box: the axis of u, of v and of the normal, and their signs,
# chosen so that u x v = normal and v points up on the sides.
_FACES = (
    # u axis, u sign, v axis, v sign, normal axis, normal sign
    (1, 1, 2, 1, 0, 1),
    (1, -1, 2, 1, 0, -1),
    (0, -1, 2, 1, 1, 1),
    (0, 1, 2, 1, 1, -1),
    (0, 1, 1, 1, 2, 1),
    (0, 1, 1, -1, 2, -1),
)


class Rects(NamedTuple):
    """R rectangles that are seen from the side of their normal.

    Attributes:
        origin: Corner from which u and v count, (R, 3) metres.
        edge_u: Unit vectors of u, (R, 3).
        edge_v: Unit vectors of v, (R, 3).
        normal: Unit normals, (R, 3).
        length: Extent along u and v, (R, 2) metres.
        material: Index of the material, (R,).
    """

    origin: np.ndarray
    edge_u: np.ndarray
    edge_v: np.ndarray
    normal: np.ndarray
    length: np.ndarray
    material: np.ndarray


class Hits(NamedTuple):
    """What the rays of a picture meet first.

    Attributes:
        inverse_depth: One over the depth, (h, w) float32, 1/m.
        rect: Index of the rectangle, (h, w).
        x: Ray coordinate of each column, (w,) float32.
        y: Ray coordinate of each row, (h,) float32.
    """

    inverse_depth: np.ndarray
    rect: np.ndarray
    x: np.ndarray
    y: np.ndarray


def box_rects(boxes: np.ndarray, material: np.ndarray) -> Rects:
    """Faces of boxes that stand upright.

    Args:
        boxes: Centre (x, y, z), size (x, y, z) in metres and the turn about
            the vertical in radians, (N, 7).
        material: Index of each box's material, (N,).

    Returns:
        Rects: 6 N rectangles, the six faces of each box in turn.
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 7)
    count = len(boxes)
    cos, sin = np.cos(boxes[:, 6]), np.sin(boxes[:, 6])
    axes = np.zeros((count, 3, 3))
    axes[:, 0, 0], axes[:, 0, 1] = cos, sin
    axes[:, 1, 0], axes[:, 1, 1] = -sin, cos
    axes[:, 2, 2] = 1.0
    u_axis, u_sign, v_axis, v_sign, n_axis, n_sign = np.array(_FACES).T
    edge_u = axes[:, u_axis] * u_sign[:, None]
    edge_v = axes[:, v_axis] * v_sign[:, None]
    normal = axes[:, n_axis] * n_sign[:, None]
    size = boxes[:, 3:6]
    length = np.stack([size[:, u_axis], size[:, v_axis]], -1) + 2 * SEAM
    origin = (
        boxes[:, None, :3]
        + normal * (size[:, n_axis] / 2)[..., None]
        - edge_u * (length[..., 0] / 2)[..., None]
        - edge_v * (length[..., 1] / 2)[..., None]
    )
    return Rects(
        origin.reshape(-1, 3),
        edge_u.reshape(-1, 3),
        edge_v.reshape(-1, 3),
        normal.reshape(-1, 3),
        length.reshape(-1, 2),
        np.repeat(material, 6),
    )


def room_rects(size: tuple[float, float, float], material: list[int]) -> Rects:
    """Inner faces of a room with one corner at the origin.

    Args:
        size: Extent along x, y and z in metres.
        material: Indices for the walls at x = size, x = 0, y = size, y = 0,
            the ceiling and the floor.
    """
    centre = [s / 2 for s in size]
    rects = box_rects(np.array([[*centre, *size, 0.0]]), np.zeros(1, int))
    # Seen from within: u runs the other way, so that u x v = normal holds.
    return rects._replace(
        origin=rects.origin + rects.edge_u * rects.length[:, :1],
        edge_u=-rects.edge_u,
        normal=-rects.normal,
        material=np.array(material),
    )


def join_rects(first: Rects, second: Rects) -> Rects:
    """Concatenate two sets of rectangles."""
    return Rects(*(np.concatenate(p) for p in zip(first, second, strict=True)))


def affine_rows(rects: Rects, camera: Camera) -> np.ndarray:
    """Coefficients over the ray coordinates (x, y, 1) for each rectangle.

    Returns:
        np.ndarray: (R, 3, 3): rows for 1 / depth, u / depth and v / depth.
        Rows of a rectangle that shows its back are those of its plane.
    """
    offset = camera.position - rects.origin

    def project(vectors: np.ndarray) -> np.ndarray:
        # Written as sums, since a matrix product's rounding depends on the
        # library behind it.
        return (vectors[:, None, :] * camera.axes).sum(-1)

    height = (rects.normal * offset).sum(-1)
    height = np.where(np.abs(height) < 1e-9, 1e-9, height)
    inverse = -project(rects.normal) / height[:, None]
    rows = [inverse]
    for edge in (rects.edge_u, rects.edge_v):
        along = (edge * offset).sum(-1)[:, None]
        rows.append(project(edge) + along * inverse)
    return np.stack(rows, 1)


def _windows(
    rects: Rects, camera: Camera, x: np.ndarray, y: np.ndarray
) -> np.ndarray:
    """Rows and columns that each rectangle may cover, (R, 4), end excluded."""
    reach_u = rects.edge_u * rects.length[:, :1]
    reach_v = rects.edge_v * rects.length[:, 1:]
    base = rects.origin - camera.position
    corners = np.stack(
        [base, base + reach_u, base + reach_u + reach_v, base + reach_v], 1
    )
    local = (corners[:, :, None, :] * camera.axes).sum(-1)
    # Where an edge passes the near plane, the crossing bounds what is seen.
    after = np.roll(local, -1, 1)
    depth, gap = local[..., 2], after[..., 2] - local[..., 2]
    ahead = depth > NEAR
    crossing = ahead != (after[..., 2] > NEAR)
    share = (NEAR - depth) / np.where(crossing, gap, 1.0)
    cut = local + share[..., None] * (after - local)
    local = np.concatenate([local, cut], 1)
    valid = np.concatenate([ahead, crossing], 1)
    depth = np.where(valid, local[..., 2], 1.0)
    bounds = []
    for values, grid in ((local[..., 1], y), (local[..., 0], x)):
        ratio = values / depth
        low = np.where(valid, ratio, np.inf).min(1)
        high = np.where(valid, ratio, -np.inf).max(1)
        bounds.append(np.maximum(np.searchsorted(grid, low) - 1, 0))
        bounds.append(np.searchsorted(grid, high) + 1)
    window = np.stack(bounds, 1)
    faces = ((rects.normal * -base).sum(-1) > 0) & ahead.any(1)
    window[~faces] = 0
    return window


def cast_rays(
    rects: Rects, camera: Camera, x: np.ndarray, y: np.ndarray, room: int = 6
) -> Hits:
    """Find the nearest rectangle along each ray.

    Args:
        rects: Rectangles; the first ``room`` of them bound the convex room
            the camera is in and are taken as whole planes.
        camera: The camera.
        x: Ray coordinate of each column, (w,), rising.
        y: Ray coordinate of each row, (h,), rising.
        room: Number of leading rectangles that bound the room.
    """
    rows = affine_rows(rects, camera)
    # A ray is within a rectangle where u, v and what they leave of the
    # lengths are not negative; all five planes are affine.
    rest = rects.length[..., None] * rows[:, :1] - rows[:, 1:]
    planes = np.concatenate([rows, rest], 1).astype(np.float32)[..., None]
    nearest = np.zeros((len(y), len(x)), np.float32)
    winner = np.zeros((len(y), len(x)), np.intp)
    windows = _windows(rects, camera, x, y)
    windows[:room] = 0, len(y), 0, len(x)
    for index, (top, bottom, left, right) in enumerate(windows.tolist()):
        if top >= bottom or left >= right:
            continue
        part = (slice(top, bottom), slice(left, right))
        a, b, c = planes[index, : 1 if index < room else 5].swapaxes(0, 1)
        values = (b * y[part[0]] + c)[..., None] + (a * x[part[1]])[:, None]
        seen = values[0] > nearest[part]
        if index >= room:
            seen &= np.minimum.reduce(values[1:]) >= 0
        if not seen.any():
            continue
        np.copyto(nearest[part], values[0], where=seen)
        np.copyto(winner[part], index, where=seen)
    return Hits(nearest, winner, x, y)
