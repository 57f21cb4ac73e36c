"""Anybody's pictures and depth maps: two patterns or a list of pairs."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from mmseg.registry import DATASETS

from llm_mde_mm.datasets.chosen import ChosenDataset
from llm_mde_mm.datasets.inspection import add_hashes
from llm_mde_mm.datasets.pair_lists import check_depth_scale, read_index
from llm_mde_mm.datasets.pairing import Pair, pair_files, scene_namer
from llm_mde_mm.utils.errors import ConfigError, DataError


@DATASETS.register_module()
class DepthFolderDataset(ChosenDataset):
    """Pictures with a depth map each, found by two patterns or an index.

    With patterns, a picture and a depth map belong together where their
    wildcards match the same text: ``*/rgb/*.jpg`` and ``*/depth/*.png`` pair
    ``hall/rgb/7.jpg`` with ``hall/depth/7.png``. ``*`` stops at a ``/``, and
    ``**/`` stands for any number of folders. Wildcards at the end that the
    other pattern has not, as in ``*/rgb/*.*``, do not count. With ``index``,
    a JSON file lists the pairs:

    .. code-block:: none

        {"root": "folder", "depth_scale": 0.001, "items": [
            {"image": "a.jpg", "depth": "a.png", "scene": "kitchen",
             "room": "kitchen_3", "split": "train", "focal": 525.0}]}

    where ``root`` starts at the JSON file's folder and all but ``image`` and
    ``depth`` may be left out. An index that ends in ``.txt`` has a pair a
    line, paths without spaces below its folder: picture and depth map, or
    four columns with a time stamp before each, as the TUM benchmark's
    ``associate.py`` writes them. ``#`` begins a comment.

    A picture's name is its path below the root with forward slashes; the
    names in a list file are these. An item holds ``img_path``,
    ``depth_map_path``, ``name``, ``scene``, ``metres_per_unit``,
    ``invalid_values`` and, where asked for, ``resize_picture`` (all for
    ``LoadDepth``), ``seg_fields``, ``sample_idx`` and, where the index has
    them, ``room``, ``focal``, ``image_sha256`` and ``depth_sha256``. No
    picture is opened before an item is asked for.

    Args:
        data_root: Where the patterns start; with ``index``, replaces its
            ``root``.
        image_glob: Pattern of the pictures below ``data_root``.
        depth_glob: Pattern of the depth maps below ``data_root``.
        depth_scale: Metres a stored unit: 0.001 for millimetres, 1/5000 for
            the TUM benchmark, 1 for files in metres. Replaces that of
            ``index``.
        invalid_values: Stored values that mean no measurement besides 0,
            such as 65535.
        scene_from: What tells a picture's scene type: a regular expression,
            searched in its name (the first group, else the whole match), or
            the number of a folder of its name, 0 for the first. None is for
            data without types, and for an index that has them.
        group_by: Item key whose values ``shots`` and ``scenes`` of
            ``subset`` mean: 'scene', or 'room' of an index.
        pair_by: 'wildcards', or 'order' to pair by sorted order, which is
            right only where no file is missing.
        index: JSON or text file in place of the patterns.
        split: With ``index``, the items with this ``split``; None takes all.
        resize_picture: Whether ``LoadDepth`` may resize a picture to the
            size of its depth map.
        subset: Which of the pictures, a rule of
            :func:`llm_mde_mm.datasets.splits.choose`; None takes all.
        hashes: JSON file of ``tools/check_data.py --manifest``, with whose
            hashes the files are compared; it comes before ``index``.
        **kwargs: ``check_files``, ``check_hashes``, ``max_damaged`` and
            ``cache_mb`` of :class:`ChosenDataset`; ``pipeline``,
            ``test_mode``, ``lazy_init``, ``indices``, ``serialize_data``,
            ``metainfo`` of mmengine's ``BaseDataset``.

    Raises:
        ConfigError: An argument is malformed, missing or does not go with
            another.
        DataError: Nothing matches, a picture has no depth map or two, the
            index or the hashes cannot be read, or these lack a file; at the
            first use if ``lazy_init``.
    """

    METAINFO = dict(
        dataset_type='DepthFolderDataset',
        task_name='monocular depth estimation',
    )

    def __init__(
        self,
        data_root: str | os.PathLike | None = None,
        image_glob: str | None = None,
        depth_glob: str | None = None,
        depth_scale: float | None = None,
        invalid_values: Sequence[float] = (),
        scene_from: str | int | None = None,
        group_by: str = 'scene',
        pair_by: str = 'wildcards',
        index: str | os.PathLike | None = None,
        split: str | None = None,
        resize_picture: bool = False,
        subset: Mapping[str, Any] | None = None,
        hashes: str | os.PathLike | None = None,
        **kwargs: Any,
    ) -> None:
        for key in ('ann_file', 'data_prefix'):
            if kwargs.pop(key, None):
                raise ConfigError(
                    f'{type(self).__name__} does not read {key!r}: name the '
                    'files by image_glob and depth_glob, or by index=...'
                )
        if index is None:
            needed = dict(
                data_root=data_root,
                image_glob=image_glob,
                depth_glob=depth_glob,
                depth_scale=depth_scale,
            )
            missing = [key for key, value in needed.items() if not value]
            if missing:
                raise ConfigError(
                    f'{type(self).__name__}: give {", ".join(missing)}, or '
                    'index=...'
                )
            if split is not None:
                raise ConfigError(
                    f'{type(self).__name__}: split={split!r} chooses items '
                    'of an index; without one, name its folder in the '
                    'patterns or use subset=...'
                )
        elif image_glob or depth_glob:
            raise ConfigError(
                f'{type(self).__name__}: give patterns or index, not both'
            )
        if depth_scale is not None:
            check_depth_scale(depth_scale, type(self).__name__)
        if pair_by not in ('wildcards', 'order'):
            raise ConfigError(
                f"pair_by must be 'wildcards' or 'order', got {pair_by!r}"
            )
        if group_by not in ('scene', 'room'):
            raise ConfigError(
                f"group_by must be 'scene' or 'room', got {group_by!r}"
            )
        self.image_glob = image_glob or ''
        self.depth_glob = depth_glob or ''
        self.depth_scale = depth_scale
        self.invalid_values = tuple(invalid_values)
        scene_namer(scene_from)
        self.scene_from = scene_from
        self.group_by = group_by
        self.pair_by = pair_by
        self.index = None if index is None else os.path.expanduser(index)
        self.split = split
        self.resize_picture = resize_picture
        self.hashes = None if hashes is None else os.path.expanduser(hashes)
        super().__init__(
            subset=subset,
            data_root=os.path.expanduser(data_root or ''),
            data_prefix=dict(img_path=''),
            **kwargs,
        )

    def load_data_list(self) -> list[dict]:
        """Find the pairs and choose the subset.

        Returns:
            One dict a picture, sorted by name.

        Raises:
            DataError: See the class.
        """
        pairs = {pair.name: pair for pair in self._pairs()}
        source = self._source()
        chosen = self.choose(
            pairs,
            source,
            source,
            self._key_of(pairs, self.group_by),
            self._key_of(pairs, 'room'),
        )
        items = [self._item(pairs[name]) for name in chosen]
        if self.hashes is not None:
            add_hashes(items, self.hashes)
        return items

    def _pairs(self) -> list[Pair]:
        """Return all pairs of the folder, or of the index's split."""
        if self.index is None:
            return pair_files(
                self.data_root,
                self.image_glob,
                self.depth_glob,
                by_order=self.pair_by == 'order',
                check_files=self.check_files,
            )
        pairs = read_index(
            self.index, self.data_root, self.split, self.check_files
        )
        if self.depth_scale is None:
            for pair in pairs:
                check_depth_scale(pair.depth_scale, self.index)
        return pairs

    def _key_of(self, pairs: Mapping[str, Pair], key: str) -> Any:
        """Return the function from a name to its scene type or room."""

        def key_of(name: str) -> str:
            pair = pairs[name]
            if key == 'room':
                found, hint = pair.room, "items of the index have no 'room'"
            else:
                found, hint = self._scene(pair), 'give scene_from=...'
            if found is None:
                raise DataError(
                    f'{name!r} has no {key}, which this subset needs: {hint}'
                )
            return found

        return key_of

    def _scene(self, pair: Pair) -> str | None:
        """Return a pair's scene type, if anything tells it."""
        return pair.scene or scene_namer(self.scene_from)(pair.name)

    def _item(self, pair: Pair) -> dict:
        """Return what the pipeline starts with."""
        scale = self.depth_scale or pair.depth_scale
        item: dict[str, Any] = dict(
            img_path=pair.image,
            depth_map_path=pair.depth,
            name=pair.name,
            scene=self._scene(pair),
            metres_per_unit=scale,
            invalid_values=self.invalid_values,
            seg_fields=[],
        )
        if self.resize_picture:
            item['resize_picture'] = True
        for key in ('room', 'focal', 'image_sha256', 'depth_sha256'):
            value = getattr(pair, key)
            if value is not None:
                item[key] = value
        return item

    def _source(self) -> str:
        """Return what a message calls this data set."""
        if self.index is None:
            return repr(self.data_root)
        return f'{self.index!r}' + (
            f' split {self.split!r}' * bool(self.split)
        )
