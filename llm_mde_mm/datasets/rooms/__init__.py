"""A renderer of indoor rooms with depth."""

from .render import RoomPicture, render_room
from .scene_types import SCENE_TYPES

__all__ = ['SCENE_TYPES', 'RoomPicture', 'render_room']
