"""The NYU layout, as preparations write it: where files go, and whether.

``images/SPLIT/<scene>_<number>.jpg`` and
``annotations/SPLIT/<scene>_<number>.png``; an item of a manifest is a
picture with its depth map.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from llm_mde_mm.datasets.splits import first_names
from llm_mde_mm.utils.errors import DataError
from llm_mde_mm.utils.whole_file import remove_partial_files

FOLDERS = dict(image='images', depth='annotations')
"""Kind of file to its folder."""


def plain_name(name: str, where: object) -> str:
    """Return a name that may become part of a path.

    Args:
        name: The name.
        where: What to call its place in a message.

    Raises:
        DataError: It has other than letters, digits, ``_`` and ``-``.
    """
    if not re.fullmatch(r'[A-Za-z0-9_-]+', name):
        raise DataError(
            f'{where}: {name!r} is not a plain name of letters, digits, _ and '
            '-; a path is made of it: rename it'
        )
    return name


def files_of(name: str, split: str, picture: str = 'jpg') -> dict[str, str]:
    """Return where the files of an item go.

    Args:
        name: ``<scene>_<number>``.
        split: Its split.
        picture: The picture's suffix.

    Returns:
        Paths of ``image`` and ``depth`` below the folder of the layout.

    Raises:
        DataError: A path would lead out of that folder.
    """
    plain_name(name, 'name of a picture')
    plain_name(split, 'split')
    suffixes = dict(image=picture, depth='png')
    return {
        kind: f'{folder}/{split}/{name}.{suffixes[kind]}'
        for kind, folder in FOLDERS.items()
    }


def take_over(out: Path, items: Iterable[Mapping[str, Any]]) -> None:
    """Make sure that a folder is of these items, before they are written.

    Half-written files of a run that was killed are removed.

    Args:
        out: Folder of the layout; it need not exist.
        items: All that will lie in it.

    Raises:
        DataError: It holds pictures or depth maps of something else, such
            as another split of the same pictures, which a data set of this
            folder would show as well.
    """
    wanted = {item[kind] for item in items for kind in FOLDERS}
    there = (
        path.relative_to(out).as_posix()
        for folder in FOLDERS.values()
        for path in (out / folder).rglob('[!.]*')
        if path.is_file()
    )
    strangers = set(there) - wanted
    if strangers:
        raise DataError(
            f'{out} holds {len(strangers)} files of something else: '
            f'{first_names(strangers)}; choose another output folder'
        )
    for folder in {out, *((out / path).parent for path in wanted)}:
        remove_partial_files(folder)
