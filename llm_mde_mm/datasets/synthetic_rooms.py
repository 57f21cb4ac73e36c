"""Rendered rooms as a data set that needs no download."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmseg.registry import DATASETS

from llm_mde_mm.datasets.rooms import SCENE_TYPES, render_room
from llm_mde_mm.datasets.seeded import SeededDataset
from llm_mde_mm.datasets.splits import split_digest
from llm_mde_mm.utils.errors import ConfigError

# Least height and width of a picture in pixels.
_LEAST_SIDE = 16


@DATASETS.register_module()
class SyntheticRooms(SeededDataset):
    """Pictures of rendered rooms with their depth.

    A picture is a function of ``seed`` and its number, so that ranges of
    numbers are disjoint sets of one distribution and every process sees the
    same pictures. The scene types take turns.

    An item holds ``img`` (H, W, 3) uint8 B, G, R; ``gt_depth_map`` (H, W)
    float32 metres, 0 = no measurement; ``img_path`` (a name, not a file),
    ``scene``, ``sample_idx``, ``ori_shape``, ``img_shape`` and
    ``seg_fields``.

    Args:
        num_rooms: Number of pictures.
        seed: Names the series of pictures.
        first_index: Number of the first picture within the series.
        size: Height and width in pixels.
        scene_types: Names of the scene types to use; None takes all.
        sensor_noise: Whether pictures and depth have a sensor's noise and
            the depth its holes.
        cache: Whether each process keeps what it rendered (5 bytes a
            pixel; 9 without ``sensor_noise``).
        pipeline: Transforms of an item.
        test_mode: Whether the data set is used for testing.
        lazy_init: Whether to list the pictures at the first use only.
        **kwargs: ``metainfo``, ``indices`` and ``serialize_data`` of
            mmengine's ``BaseDataset``.

    Raises:
        ConfigError: An argument is out of its range or a scene type is
            unknown.
    """

    METAINFO = dict(
        dataset_type='SyntheticRooms',
        task_name='depth estimation',
        classes=SCENE_TYPES,
    )

    def __init__(
        self,
        num_rooms: int,
        seed: int = 0,
        first_index: int = 0,
        size: tuple[int, int] = (120, 160),
        scene_types: Sequence[str] | None = None,
        sensor_noise: bool = True,
        cache: bool = False,
        pipeline: Sequence[Any] = (),
        test_mode: bool = False,
        lazy_init: bool = False,
        **kwargs: Any,
    ) -> None:
        _check_int('num_rooms', num_rooms, 1)
        _check_int('seed', seed, 0)
        _check_int('first_index', first_index, 0)
        self.num_rooms = num_rooms
        self.seed = seed
        self.first_index = first_index
        self.size = _check_size(size)
        self.scene_types = _check_scene_types(scene_types)
        self.sensor_noise = sensor_noise
        self._cache: dict[int, tuple[np.ndarray, np.ndarray]] | None = (
            {} if cache else None
        )
        super().__init__(
            pipeline=list(pipeline),
            test_mode=test_mode,
            lazy_init=lazy_init,
            **kwargs,
        )

    def load_data_list(self) -> list[dict]:
        """List the pictures; none is rendered."""
        items = []
        first = self.first_index
        for index in range(first, first + self.num_rooms):
            scene = self.scene_types[index % len(self.scene_types)]
            items.append(
                dict(
                    img_path=f'{scene}_{index:05d}.jpg',
                    scene=scene,
                    room_index=index,
                    seg_fields=['gt_depth_map'],
                )
            )
        return items

    def identities(self) -> dict[str, str]:
        """Return what tells each picture from others, and its name."""
        found = {}
        for i in range(len(self)):
            name = super().get_data_info(i)['img_path']
            found[f'room {self.seed} {name}'] = name
        return found

    @property
    def split_digest(self) -> str:
        """12 hex digits that name the pictures in use."""
        return split_digest(self.identities())

    def get_data_info(self, idx: int) -> dict:
        """An item before the pipeline, its arrays its own."""
        info = super().get_data_info(idx)
        image, depth = self._picture(info.pop('room_index'), info['scene'])
        info.update(
            img=image,
            gt_depth_map=depth,
            img_shape=image.shape[:2],
            ori_shape=image.shape[:2],
        )
        return info

    def _picture(
        self, index: int, scene: str
    ) -> tuple[np.ndarray, np.ndarray]:
        """Render a picture or copy the one that is kept."""
        kept = None if self._cache is None else self._cache.get(index)
        if kept is not None:
            image, depth = kept
            return image.copy(), _from_kept(depth)
        picture = render_room(
            self.seed, index, self.size, scene, self.sensor_noise
        )
        if self._cache is not None:
            # Measured depth is in whole millimetres, true depth is not.
            depth = (
                np.rint(picture.depth * np.float32(1000)).astype(np.uint16)
                if self.sensor_noise
                else picture.depth.copy()
            )
            self._cache[index] = (picture.image.copy(), depth)
        return picture.image, picture.depth


def _from_kept(depth: np.ndarray) -> np.ndarray:
    """Depth in metres from the cache, in the renderer's own rounding."""
    if depth.dtype == np.uint16:
        return depth.astype(np.float32) / np.float32(1000)
    return depth.copy()


def _check_int(key: str, value: int, least: int) -> None:
    """Refuse what is no integer or below the least."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(
            f'{key}={value!r} is not an integer of {least} or more; give one'
        )


def _check_size(size: Sequence[int]) -> tuple[int, int]:
    """Refuse what is no (height, width) in pixels."""
    if isinstance(size, str) or not isinstance(size, Sequence):
        size = ()
    if len(size) != 2 or not all(
        isinstance(s, int) and s >= _LEAST_SIDE for s in size
    ):
        raise ConfigError(
            f'size={size!r} is not a height and a width of {_LEAST_SIDE} '
            'pixels or more; give two integers, such as (120, 160)'
        )
    return size[0], size[1]


def _check_scene_types(names: Sequence[str] | None) -> tuple[str, ...]:
    """Refuse names that are no scene types."""
    if names is None:
        return SCENE_TYPES
    if isinstance(names, str):
        raise ConfigError(
            f'scene_types={names!r} is a string; give a list of names'
        )
    unknown = [name for name in names if name not in SCENE_TYPES]
    if unknown or not names:
        what = f'has unknown names {unknown}' if unknown else 'is empty'
        raise ConfigError(
            f'scene_types {what}; choose from {", ".join(SCENE_TYPES)}, '
            'or None for all'
        )
    return tuple(names)
