"""Which picture belongs to which depth map, by two patterns."""

import glob
import os
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from mmengine.logging import print_log

from llm_mde_mm.datasets.splits import all_names, first_names
from llm_mde_mm.utils.errors import ConfigError, DataError

_WILDCARD = re.compile(r'\*\*/|\*+|\?|\[!?\]?[^]]*\]')


class Pair(NamedTuple):
    """A picture and its depth map.

    Attributes:
        name: The picture's path below the root, with forward slashes.
        image: Path of the picture.
        depth: Path of the depth map.
        depth_scale: Metres a stored unit, if the index tells.
        scene: Scene type, if the index tells.
        room: Room, if the index tells.
        focal: Focal length in pixels, if the index tells.
        image_sha256: Digest of the picture's file, if the index tells.
        depth_sha256: Digest of the depth map's file, if the index tells.
    """

    name: str
    image: str
    depth: str
    depth_scale: float | None = None
    scene: str | None = None
    room: str | None = None
    focal: float | None = None
    image_sha256: str | None = None
    depth_sha256: str | None = None


def scene_namer(scene_from: str | int | None) -> Callable[[str], str | None]:
    """Return the function from a picture's name to its scene type.

    Args:
        scene_from: See ``DepthFolderDataset``.

    Raises:
        ConfigError: It is no regular expression, folder number or None.
    """
    if scene_from is None:
        return lambda name: None
    if isinstance(scene_from, bool) or not isinstance(scene_from, (str, int)):
        raise ConfigError(
            'scene_from must be a regular expression or the number of a '
            f'folder, got {scene_from!r}'
        )
    if isinstance(scene_from, int):
        depth = scene_from

        def folder(name: str) -> str:
            folders = name.split('/')[:-1]
            if not -len(folders) <= depth < len(folders):
                raise DataError(
                    f'{name!r} has {len(folders)} folders: scene_from='
                    f'{depth} names none of them'
                )
            return folders[depth]

        return folder
    try:
        pattern = re.compile(scene_from)
    except re.error as error:
        raise ConfigError(
            f'scene_from={scene_from!r} is no regular expression: {error}'
        ) from error

    def search(name: str) -> str:
        found = pattern.search(name)
        scene = found and (found[1] if pattern.groups else found[0])
        if not scene:
            raise DataError(
                f'{name!r} has no scene type: scene_from={scene_from!r} '
                'matches nothing in it'
            )
        return scene

    return search


def pair_files(
    root: str,
    image_glob: str,
    depth_glob: str,
    by_order: bool = False,
    check_files: bool = True,
) -> list[Pair]:
    """Find pictures and depth maps that belong together.

    Args:
        root: Where both patterns start.
        image_glob: Pattern of the pictures.
        depth_glob: Pattern of the depth maps.
        by_order: Pair by sorted order in place of what wildcards match.
        check_files: Whether a picture must have a depth map; else it gets
            the path that one would have, as far as the patterns tell.

    Returns:
        Sorted by name.

    Raises:
        ConfigError: One pattern has wildcards and the other has none.
        DataError: Nothing matches, or a picture has no depth map or two.
    """
    images = _matches(root, image_glob, 'image_glob')
    depths = _matches(root, depth_glob, 'depth_glob')
    if by_order:
        if len(images) != len(depths):
            raise DataError(
                f"pair_by='order': {len(images)} pictures match {image_glob!r}"
                f' and {len(depths)} depth maps match {depth_glob!r} in '
                f'{root!r}; their numbers must be equal'
            )
        matched = list(zip(sorted(images), sorted(depths), strict=True))
    else:
        matched = _by_wildcards(
            root, image_glob, depth_glob, images, depths, check_files
        )
    return [
        Pair(image, os.path.join(root, image), os.path.join(root, depth))
        for image, depth in matched
    ]


def _by_wildcards(
    root: str,
    image_glob: str,
    depth_glob: str,
    images: dict[str, tuple],
    depths: dict[str, tuple],
    check_files: bool,
) -> list[tuple[str, str]]:
    """Return sorted (picture, depth map) with equal wildcards."""
    counts = [len(_WILDCARD.findall(g)) for g in (image_glob, depth_glob)]
    both = min(counts)
    if not both and max(counts):
        raise ConfigError(
            f'image_glob={image_glob!r} has {counts[0]} wildcards and '
            f'depth_glob={depth_glob!r} {counts[1]}: files are paired by what '
            "they match, so give both some, or pair_by='order'"
        )
    images = {name: key[:both] for name, key in images.items()}
    stems: dict[str, str] = {}
    for name in sorted(images):
        other = stems.setdefault(os.path.splitext(name)[0], name)
        if other != name:
            raise DataError(
                f'two pictures of one name in {root!r}: {other} and {name}; '
                f'narrow image_glob={image_glob!r}'
            )
    of_key: dict[tuple, str] = {}
    for name, groups in sorted(depths.items()):
        key = groups[:both]
        if key in of_key:
            raise DataError(
                f'two depth maps for one picture in {root!r}: {of_key[key]} '
                f'and {name}; narrow depth_glob={depth_glob!r}'
            )
        of_key[key] = name
    alone = [name for name, key in images.items() if key not in of_key]
    if alone and check_files:
        raise DataError(
            f'{len(alone)} of {len(images)} pictures in {root!r} have no '
            f'depth map that matches {depth_glob!r}; add them, or narrow '
            f'image_glob: {all_names(alone)}'
        )
    spare = len(of_key.keys() - set(images.values()))
    if spare:
        print_log(
            f'{spare} of {len(of_key)} depth maps in {root!r} have no picture '
            'and are left out',
            logger='current',
        )
    return [
        (name, of_key.get(key) or _filled(depth_glob, key))
        for name, key in sorted(images.items())
    ]


def _filled(pattern: str, texts: Sequence[str]) -> str:
    """Return a pattern with texts in place of its first wildcards."""
    rest = iter(texts)
    return _WILDCARD.sub(lambda match: next(rest, match[0]), pattern)


def _matches(root: str, pattern: str, key: str) -> dict[str, tuple]:
    """Return the files that match, and what the wildcards stand for."""
    if not os.path.isdir(root):
        raise DataError(
            f'data root {root!r} does not exist; give data_root=...'
        )
    expression = _expression(pattern)
    found = {}
    for name in glob.iglob(pattern, root_dir=root, recursive=True):
        posix = name.replace(os.sep, '/')
        match = expression.fullmatch(posix)
        if match and os.path.isfile(os.path.join(root, name)):
            found[posix] = match.groups()
    if not found:
        there = first_names(os.listdir(root)) or 'nothing'
        raise DataError(
            f'no file matches {key}={pattern!r} in {root!r} (there: {there}); '
            "'*' stops at a folder, '**/' stands for any number of them"
        )
    return found


def _expression(pattern: str) -> re.Pattern:
    """Return a regular expression with one group a wildcard."""
    parts, end = [], 0
    for wildcard in _WILDCARD.finditer(pattern):
        parts.append(re.escape(pattern[end : wildcard.start()]))
        text, end = wildcard[0], wildcard.end()
        if text == '**/':
            parts.append('((?:[^/]+/)*)')
        elif text.startswith('*'):
            whole = text == '**' and end == len(pattern)
            parts.append('(.*)' if whole else '([^/]*)')
        elif text == '?':
            parts.append('([^/])')
        else:
            inner = text[1:-1].replace('\\', r'\\')
            inner = f'^{inner[1:]}' if inner.startswith('!') else inner
            parts.append(f'([{inner}])')
    return re.compile(''.join(parts) + re.escape(pattern[end:]))
