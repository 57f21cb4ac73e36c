"""A pinhole camera: where it stands and where it looks."""

from typing import NamedTuple

import numpy as np


class Camera(NamedTuple):
    """A pinhole camera.

    Attributes:
        position: Optical centre in the world, (3,) metres.
        axes: Unit vectors right, down and forward, the rows of (3, 3).
        focal: Focal length over the picture's width.
    """

    position: np.ndarray
    axes: np.ndarray
    focal: float


def aim_camera(
    position: np.ndarray,
    yaw: float,
    pitch: float,
    roll: float,
    focal: float,
) -> Camera:
    """Build a camera from its angles.

    Args:
        position: Optical centre, (3,) metres.
        yaw: Direction of view about the vertical, radians from the x axis.
        pitch: Upward tilt, radians.
        roll: Turn about the optical axis, radians.
        focal: Focal length over the picture's width.
    """
    level = np.array([np.cos(yaw), np.sin(yaw), 0.0])
    side = np.array([np.sin(yaw), -np.cos(yaw), 0.0])
    up = np.array([0.0, 0.0, 1.0])
    forward = np.cos(pitch) * level + np.sin(pitch) * up
    below = np.sin(pitch) * level - np.cos(pitch) * up
    right = np.cos(roll) * side + np.sin(roll) * below
    down = np.cos(roll) * below - np.sin(roll) * side
    return Camera(
        np.asarray(position, np.float64),
        np.stack([right, down, forward]),
        focal,
    )
