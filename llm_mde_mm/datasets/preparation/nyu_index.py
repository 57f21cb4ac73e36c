"""Index of NYU trees as BTS (arXiv:1907.10326) and its followers keep them.

A folder of the official splits is a scene type (``bathroom/rgb_00045.jpg``),
one of the raw frames a recording (``bathroom_0001a/rgb_00000.jpg``); beside
each ``rgb_*.jpg`` lies its ``sync_depth_*.png`` in millimetres. Nothing is
moved or copied.
"""

import os
import re
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from llm_mde_mm.datasets.draws import scene_and_room
from llm_mde_mm.datasets.preparation.folders import files_below
from llm_mde_mm.datasets.preparation.manifest import (
    file_digests,
    json_bytes,
    read_manifest,
    write_once,
)
from llm_mde_mm.datasets.preparation.nyu_split import read_split
from llm_mde_mm.datasets.splits import all_names, first_names
from llm_mde_mm.utils.errors import DataError

_SPLITS = ('train', 'val', 'test')


def index_tree(
    root: Path,
    lists: Iterable[tuple[str, Path, str]] = (),
    hashes: bool = False,
) -> list[dict[str, Any]]:
    """List the pictures of a tree.

    Args:
        root: The tree.
        lists: Split, list file and the folder below ``root`` that the
            file's paths start from (``''`` for ``root`` itself). A line is
            a picture, its depth map and, optionally, the focal length in
            pixels. Without list files the whole tree is taken: the split is
            a folder's name (train, val, test); else, in a folder of a scene
            type, the official split; else train.
        hashes: Whether each item gets the SHA-256 of its two files.

    Returns:
        Items of ``image``, ``depth``, ``scene``, ``room``, ``split`` and,
        where known, ``focal``, ``image_sha256``, ``depth_sha256``; sorted
        by split and picture.

    Raises:
        DataError: There is no such tree, a list file is malformed or names
            what does not exist, or half of a pair is missing.
    """
    if not root.is_dir():
        raise DataError(f'there is no folder {root} to index')
    lists = list(lists)
    items = _listed(root, lists) if lists else _found(root)
    if not items:
        raise DataError(
            f'{root} holds no <folder>/rgb_<number>.jpg: give the folder '
            'above those of scenes or recordings'
        )
    lost = {
        item[key]
        for item in items
        for key in ('image', 'depth')
        if not (root / item[key]).is_file()
    }
    if lost:
        raise DataError(
            f'{root} lacks {len(lost)} files; copy them there, or remove '
            f'their other half or their lines in the list: {all_names(lost)}'
        )
    count = Counter(item['image'] for item in items)
    twice = [image for image, times in count.items() if times > 1]
    if twice:
        raise DataError(f'listed twice below {root}: {first_names(twice)}')
    if hashes:
        for item in items:
            for key in ('image', 'depth'):
                digest = file_digests(root / item[key], 'sha256')
                item[f'{key}_sha256'] = digest['sha256']
    return sorted(items, key=lambda item: (item['split'], item['image']))


def write_index(root: Path, path: Path, items: list[dict[str, Any]]) -> bool:
    """Write an index: ``root`` (from the index's folder), scale, items.

    Args:
        root: The tree that the items' paths start from.
        path: The index; its folder must exist.
        items: See :func:`index_tree`.

    Returns:
        Whether it was written; False if the same index was there.

    Raises:
        DataError: The folder does not exist, or another file has the name.
    """
    if not path.parent.is_dir():
        raise DataError(f'there is no folder {path.parent} for the index')
    relative = os.path.relpath(root.resolve(), path.parent.resolve())
    content = dict(
        root=Path(relative).as_posix(), depth_scale=0.001, items=items
    )
    there = _summary(read_manifest(path).values())
    differs = (
        f'it lists {there}, asked for are {_summary(items)}; move it away, or '
        'name another file by --out'
    )
    return write_once(path, json_bytes(content), differs)


def _summary(items: Collection[dict[str, Any]]) -> str:
    """Say how many pictures there are, and whether they have hashes."""
    hashed = any('image_sha256' in item for item in items)
    return f'{len(items)} pictures {"with" if hashed else "without"} hashes'


def _item(image: str, depth: str, split: str) -> dict[str, Any]:
    """Return an item of two paths below the root."""
    scene, room = scene_and_room(PurePosixPath(image).parent.name)
    return dict(image=image, depth=depth, scene=scene, room=room, split=split)


def _found(root: Path) -> list[dict[str, Any]]:
    """Return the items of all pairs below a root."""
    official = read_split()
    items = []
    pairs = {
        (path.parent, re.sub(r'\D', '', path.stem))
        for path in files_below(root)
        if re.fullmatch(r'(rgb_\d+\.jpg|sync_depth_\d+\.png)', path.name)
    }
    for folder, number in sorted(pairs):
        where = folder.relative_to(root)
        _, room = scene_and_room(folder.name)
        # The root itself may be the folder of a split.
        names = [*reversed(where.parts[:-1]), root.resolve().name]
        split = next((n for n in names if n in _SPLITS), None)
        if split is None:
            fallback = official.get(int(number)) if room is None else 'train'
            split = fallback or 'train'
        items.append(
            _item(
                (where / f'rgb_{number}.jpg').as_posix(),
                (where / f'sync_depth_{number}.png').as_posix(),
                split,
            )
        )
    return items


def _listed(
    root: Path, lists: list[tuple[str, Path, str]]
) -> list[dict[str, Any]]:
    """Return the items that list files name."""
    items = []
    for split, path, folder in lists:
        try:
            lines = path.read_text(encoding='utf-8').splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f'cannot read list {path}: {error}') from error
        for number, line in enumerate(lines, start=1):
            columns = line.split()
            if not columns:
                continue
            where = f'{path}, line {number}'
            if len(columns) not in (2, 3):
                raise DataError(
                    f'{where}: {len(columns)} columns; there must be a '
                    'picture, its depth map and perhaps the focal length'
                )
            image, depth = (
                # Some lists begin their relative paths with a slash.
                (PurePosixPath(folder) / column.lstrip('/')).as_posix()
                for column in columns[:2]
            )
            for name in map(PurePosixPath, (image, depth)):
                if name.is_absolute() or '..' in name.parts:
                    raise DataError(f'{where}: {name} is no path below {root}')
            item = _item(image, depth, split)
            if len(columns) == 3:
                try:
                    item['focal'] = float(columns[2])
                except ValueError as error:
                    raise DataError(
                        f'{where}: the focal length is {columns[2]!r}, not a '
                        'number'
                    ) from error
            items.append(item)
    return items
