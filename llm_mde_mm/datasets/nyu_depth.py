"""NYU Depth v2 and any data set in its layout: pictures and 16-bit depth."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmseg.registry import DATASETS

from llm_mde_mm.datasets.chosen import ChosenDataset
from llm_mde_mm.datasets.draws import room_of, scene_of
from llm_mde_mm.datasets.preparation.manifest import read_manifest
from llm_mde_mm.datasets.splits import all_names, first_names
from llm_mde_mm.utils.errors import ConfigError, DataError

# What a manifest adds to an item.
_KNOWN = {'name', 'room', 'set', 'image_sha256', 'depth_sha256'}
_LAYOUT = (
    'expected layout: images/SPLIT/<scene>_<number>.jpg and '
    'annotations/SPLIT/<scene>_<number>.png'
)


@DATASETS.register_module()
class NYUDepthDataset(ChosenDataset):
    """Indoor pictures with a depth map each (NYU Depth v2, ECCV 2012).

    .. code-block:: none

        data_root
        ├── images/SPLIT/<scene>_<number>.jpg
        ├── annotations/SPLIT/<scene>_<number>.png   uint16 mm, 0 = none
        └── manifest.json   rooms and hashes, of tools/prepare_*.py; optional

    An item holds ``img_path``, ``depth_map_path``, ``scene``, ``seg_fields``,
    ``sample_idx`` and, of a manifest, ``name``, ``room``, ``set``,
    ``image_sha256`` and ``depth_sha256``. Folders are listed once each and no
    picture is opened before an item is asked for. A name such as
    ``bookstore_0001d_00001.jpg`` is of a recording: its scene type is
    ``bookstore``, and its room, where no manifest has it,
    ``bookstore_0001``.

    Args:
        data_root: The folder above.
        split: Name of a folder below ``images`` and ``annotations``.
        subset: Which pictures of the split, a rule of
            :func:`llm_mde_mm.datasets.splits.choose`; None takes all.
        img_suffix: How the pictures' file names end.
        depth_suffix: How the depth maps' file names end.
        **kwargs: ``check_files``, ``check_hashes``, ``max_damaged`` and
            ``cache_mb`` of :class:`ChosenDataset`; ``pipeline``,
            ``test_mode``, ``lazy_init``, ``indices``, ``serialize_data``,
            ``metainfo`` of mmengine's ``BaseDataset``; ``indices`` apply to
            the subset.

    Raises:
        ConfigError: ``subset`` is malformed, or ``ann_file`` or
            ``data_prefix`` is given.
        DataError: The data do not exist, are incomplete or do not allow
            ``subset``; at the first use if ``lazy_init`` is True.
    """

    METAINFO = dict(
        dataset_type='NYUDepthDataset',
        task_name='monocular depth estimation',
        # 'excercise_room' is how the data set itself spells it.
        classes=(
            'basement',
            'bathroom',
            'bedroom',
            'bookstore',
            'cafe',
            'classroom',
            'computer_lab',
            'conference_room',
            'dinette',
            'dining_room',
            'excercise_room',
            'foyer',
            'furniture_store',
            'home_office',
            'home_storage',
            'indoor_balcony',
            'kitchen',
            'laundry_room',
            'living_room',
            'office',
            'office_kitchen',
            'playroom',
            'printer_room',
            'reception_room',
            'student_lounge',
            'study',
            'study_room',
        ),
    )

    # A manifest is of the one labelled file, or names the set of each
    # picture, in which numbers are unique.
    names_identify = True

    def __init__(
        self,
        data_root: str | os.PathLike,
        split: str = 'train',
        subset: Mapping[str, Any] | None = None,
        img_suffix: str = '.jpg',
        depth_suffix: str = '.png',
        **kwargs,
    ) -> None:
        for key in ('ann_file', 'data_prefix'):
            if kwargs.pop(key, None):
                raise ConfigError(
                    f'{type(self).__name__} does not read {key!r}: name the '
                    'folder by split=..., and pictures by subset=dict('
                    'list_file=...)'
                )
        self.split = split
        self.img_suffix = img_suffix
        self.depth_suffix = depth_suffix
        super().__init__(
            subset=subset,
            data_root=os.path.expanduser(data_root or ''),
            data_prefix=dict(
                img_path=f'images/{split}',
                depth_map_path=f'annotations/{split}',
            ),
            **kwargs,
        )

    def load_data_list(self) -> list[dict]:
        """List the split and choose the subset.

        Returns:
            One dict a picture, sorted by name.

        Raises:
            DataError: See the class.
        """
        names = self._complete_names()
        manifest = Path(self.data_root) / 'manifest.json'
        listed = read_manifest(manifest)

        def known(name: str) -> dict[str, Any]:
            item = listed.get(
                f'images/{self.split}/{name}{self.img_suffix}', {}
            )
            found = {key: item[key] for key in _KNOWN & set(item)}
            room = found.get('room') or room_of(name)
            return {**found, 'room': room} if room else found

        def known_room(name: str) -> str:
            room = known(name).get('room')
            if not room:
                raise DataError(
                    f'subset: nothing tells the room of {name!r}: '
                    f'{manifest} of tools/prepare_nyu.py does; make it, or '
                    'index the pictures for DepthFolderDataset'
                )
            return room

        chosen = self.choose(
            names,
            f'{self.split!r}',
            f'split {self.split!r} in {self.data_root!r}',
            room_of=known_room,
        )
        images = self.data_prefix['img_path']
        depths = self.data_prefix['depth_map_path']
        return [
            dict(
                img_path=os.path.join(images, name + self.img_suffix),
                depth_map_path=os.path.join(depths, name + self.depth_suffix),
                scene=scene_of(name),
                seg_fields=[],
                **known(name),
            )
            for name in chosen
        ]

    def name_of(self, item: Mapping[str, Any]) -> str:
        """Return the picture's file name without ``img_suffix``."""
        return Path(item['img_path']).name.removesuffix(self.img_suffix)

    def _complete_names(self) -> list[str]:
        """Return the split's names once each has a picture and a depth map.

        Raises:
            DataError: A folder is missing or, with ``check_files``, a file.
        """
        if not self.data_root or not os.path.isdir(self.data_root):
            raise DataError(
                f'data root {self.data_root!r} does not exist: give '
                'data_root of the data set, which the configs here take from '
                'the environment variable NYU_ROOT (a rerun does not); '
                f'{_LAYOUT}'
            )
        images = self.data_prefix['img_path']
        if not os.path.isdir(images):
            raise DataError(
                f'no split {self.split!r}: folder {images!r} does not exist; '
                f'there are {self._existing_splits()}; {_LAYOUT}'
            )
        pictures = _stems(images, self.img_suffix)
        if not pictures:
            files = first_names(os.listdir(images)) or 'no files at all'
            raise DataError(
                f'split {self.split!r} is empty: {images!r} holds no '
                f'*{self.img_suffix} (there: {files}); give img_suffix=...; '
                f'{_LAYOUT}'
            )
        folder = self.data_prefix['depth_map_path']
        depths = _stems(folder, self.depth_suffix)
        # A depth map without its picture is a lost picture: every few-shot
        # draw of the split would silently differ from that of a whole copy.
        for lost, path, suffix in (
            (pictures - depths, folder, self.depth_suffix),
            (depths - pictures, images, self.img_suffix),
        ):
            if lost and self.check_files:
                files = all_names(name + suffix for name in lost)
                raise DataError(
                    f'split {self.split!r}: {len(lost)} of '
                    f'{len(pictures | depths)} samples have no *{suffix} in '
                    f'{path!r}; copy them there, or remove their other half: '
                    f'{files}'
                )
        return sorted(pictures | depths)

    def _existing_splits(self) -> str:
        """Return the folders below ``images`` for a message."""
        images = Path(self.data_prefix['img_path']).parent
        if not images.is_dir():
            return 'none'
        found = sorted(path.name for path in images.iterdir() if path.is_dir())
        return ', '.join(found) or 'none'


def _stems(folder: str, suffix: str) -> set[str]:
    """Return the names in a folder that end in a suffix, without it."""
    if not os.path.isdir(folder):
        return set()
    with os.scandir(folder) as entries:
        # Copies from some file systems carry a '._name' beside each file.
        return {
            entry.name.removesuffix(suffix)
            for entry in entries
            if entry.name.endswith(suffix) and not entry.name.startswith('.')
        }
