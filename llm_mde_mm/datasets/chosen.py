"""What data sets of files share: a subset, and no picture replaced unseen."""

import logging
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from mmengine.dataset import force_full_init
from mmengine.logging import print_log

from llm_mde_mm.datasets.seeded import SeededDataset
from llm_mde_mm.datasets.shared_set import SharedSet
from llm_mde_mm.datasets.splits import (
    check_rule,
    choose,
    scene_of,
    short_types,
    split_digest,
)
from llm_mde_mm.datasets.transforms.cache import with_cache
from llm_mde_mm.utils.errors import ConfigError, DataError

_HASHES = ('image_sha256', 'depth_sha256')


class ChosenDataset(SeededDataset):
    """A data set that uses a subset of the pictures it finds.

    A picture that cannot be loaded raises: it is never replaced by another,
    whatever ``max_refetch`` says, unless ``max_damaged`` allows it. Where
    items have the SHA-256 of their files, ``LoadPicture`` and ``LoadDepth``
    compare it at the first read of a run, and no more once one worker did.

    Args:
        subset: Which of the pictures, a rule of
            :func:`llm_mde_mm.datasets.splits.choose`; None takes all.
        check_files: Whether a picture without its depth map, or the other
            way round, is an error when the files are listed; else it is one
            of that picture alone, once it is read.
        check_hashes: Whether files are compared with the hashes that a
            manifest or an index lists.
        max_damaged: How many damaged pictures may be left out, each with a
            line in the log, before one raises; the next sound picture takes
            its place. Not for testing.
        cache_mb: Memory, in each worker, to keep what the steps of the
            pipeline before the first random one give; 0 keeps nothing. Not
            for testing.
        **kwargs: Those of mmengine's ``BaseDataset``.

    Attributes:
        short_types: Texts of which scene types have fewer pictures than
            ``shots`` asks for; all of them are drawn.

    Raises:
        ConfigError: An argument is malformed, or is not for testing.
    """

    # Whether equal names mean equal pictures, whatever the folder.
    names_identify = False

    def __init__(
        self,
        subset: Mapping[str, Any] | None = None,
        check_files: bool = True,
        check_hashes: bool = True,
        max_damaged: int = 0,
        cache_mb: float = 0,
        **kwargs: Any,
    ) -> None:
        if subset is not None:
            check_rule(subset)
        limits = dict(max_damaged=max_damaged, cache_mb=cache_mb)
        for key, value in limits.items():
            if isinstance(value, bool) or value < 0:
                raise ConfigError(f'{key} must be 0 or more, got {value!r}')
            if value and kwargs.get('test_mode'):
                raise ConfigError(
                    f'{key}={value}: a score counts every picture as its '
                    f'file is; leave {key} out where test_mode=True'
                )
        self.subset = subset
        self.check_files = check_files
        self.check_hashes = check_hashes
        self.max_damaged = max_damaged
        self.short_types: list[str] = []
        super().__init__(**kwargs)
        if cache_mb:
            self.pipeline.transforms = with_cache(
                self.pipeline.transforms, cache_mb
            )

    def choose(
        self,
        names: Iterable[str],
        label: str,
        where: str,
        type_of: Callable[[str], str] = scene_of,
        room_of: Callable[[str], str] | None = None,
    ) -> list[str]:
        """Choose the subset and log its size and digest.

        Args:
            names: All names.
            label: What the log calls them.
            where: What an error calls the place they are from.
            type_of: Gives a name's scene type.
            room_of: Gives a name's room, if anything tells.

        Returns:
            Sorted names.

        Raises:
            ConfigError: A value of its rule is none.
            DataError: The subset is empty, or its rule does not fit.
        """
        names = list(names)
        try:
            chosen = choose(names, self.subset, type_of, room_of)
        except (ConfigError, DataError) as error:
            raise type(error)(
                f'subset={self.subset} of the {len(names)} pictures of '
                f'{where}: {error}'
            ) from error
        if not chosen:
            raise DataError(
                f'subset={self.subset} leaves none of the {len(names)} '
                f'pictures of {where}; complement=True takes what '
                'the rule before it did not choose'
            )
        text = (
            f'{type(self).__name__} {label}: {len(chosen)} of '
            f'{len(names)} pictures, digest {split_digest(chosen)}'
        )
        self.short_types = short_types(names, self.subset, type_of, room_of)
        print_log('; '.join([text, *self.short_types]), logger='current')
        return chosen

    def full_init(self) -> None:
        """List the pictures, none of which was read yet."""
        if self._fully_initialized:
            return
        super().full_init()
        paths = [self._raw(i)['img_path'] for i in range(len(self))]
        self._sound, self._damaged = SharedSet(paths), SharedSet(paths)

    def _raw(self, idx: int) -> dict:
        """Return an item with its hashes."""
        return super().get_data_info(idx)

    @force_full_init
    def get_data_info(self, idx: int) -> dict:
        """Return an item; without hashes once its files were compared."""
        item = self._raw(idx)
        if not self.check_hashes or item['img_path'] in self._sound:
            for key in _HASHES:
                item.pop(key, None)
        return item

    @property
    def split_digest(self) -> str:
        """12 hex digits that name the pictures in use, as the log does."""
        return split_digest(self.names)

    @property
    def names(self) -> list[str]:
        """Names of the pictures in use, as a ``list_file`` has them."""
        return [self.name_of(self._raw(i)) for i in range(len(self))]

    def name_of(self, item: Mapping[str, Any]) -> str:
        """Return the name of an item among those to choose from."""
        return item.get('name') or Path(item['img_path']).stem

    def identities(self) -> dict[str, str]:
        """Return what tells each picture from others, and its path.

        A picture has its real path, its hash where one is known and, where
        ``names_identify``, its name within its ``set`` if a manifest
        vouches for it.
        """
        found = {}
        for i in range(len(self)):
            item = self._raw(i)
            path = item['img_path']
            found[f'file {os.path.realpath(path)}'] = path
            if item.get('image_sha256'):
                found[f'sha256 {item["image_sha256"]}'] = path
                if self.names_identify and item.get('name'):
                    found[f'name {item.get("set")} {item["name"]}'] = path
        return found

    def prepare_data(self, idx: int) -> Any:
        """Run the pipeline on one item.

        Raises:
            IndexError: There is no such item.
            DataError: A file is damaged and may not be left out, or the
                pipeline gave None, which ``BaseDataset`` would answer by
                another item drawn at random.
        """
        if not -len(self) <= idx < len(self):
            raise IndexError(f'picture {idx} of {len(self)}')
        for place in range(idx, idx + len(self)):
            place %= len(self)
            path = self._raw(place)['img_path']
            if path in self._damaged:
                continue
            try:
                item = super().prepare_data(place)
            except DataError as error:
                if not self.max_damaged:
                    raise
                self._leave_out(path, error)
                continue
            if item is None:
                raise DataError(
                    f'{path}: a transform of the pipeline gave None for this '
                    'picture; it must return a result or raise'
                )
            self._sound.add(path)
            return item
        raise DataError(f'all {len(self)} pictures are damaged')

    def _leave_out(self, path: str, error: DataError) -> None:
        """Log a damaged picture, or raise if there are too many."""
        self._damaged.add(path)
        count = len(self._damaged)
        if count > self.max_damaged:
            raise DataError(
                f'{error}; that makes {count} damaged pictures, above '
                f'max_damaged={self.max_damaged}: mend them'
            ) from error
        print_log(
            f'damaged, left out ({count} of at most {self.max_damaged}): '
            f'{error}',
            logger='current',
            level=logging.WARNING,
        )
