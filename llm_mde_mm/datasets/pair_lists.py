"""Which picture belongs to which depth map, by a file that lists pairs."""

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

from llm_mde_mm.datasets.pairing import Pair
from llm_mde_mm.datasets.splits import all_names, first_names
from llm_mde_mm.utils.errors import ConfigError, DataError

# Columns of a text list: picture and depth map, by the number of them.
_COLUMNS = {2: (0, 1), 4: (1, 3)}


def read_index(
    path: str, root: str, split: str | None, check_files: bool = True
) -> list[Pair]:
    """Read the pairs that a JSON file or a text file lists.

    Args:
        path: The file; ``DepthFolderDataset`` describes both forms.
        root: Folder in place of the file's ``root``; empty for that.
        split: Items with this ``split`` only; None takes all.
        check_files: Whether all files listed must exist.

    Returns:
        Sorted by name.

    Raises:
        DataError: The file cannot be read, has no such items, lists one
            picture twice or, with ``check_files``, a file that does not
            exist.
    """
    try:
        text = Path(path).read_text(encoding='utf-8')
        is_list = path.lower().endswith('.txt')
        index = _from_text(path, text) if is_list else json.loads(text)
    except DataError:
        raise
    except (OSError, ValueError) as error:
        raise DataError(f'cannot read index {path!r}: {error}') from error
    items = index.get('items') if isinstance(index, dict) else None
    if not isinstance(items, list) or not items:
        raise DataError(f"index {path!r} has no list 'items' of pairs")
    base = root or os.path.join(os.path.dirname(path), index.get('root') or '')
    pairs = []
    for number, item in enumerate(items):
        if not isinstance(item, dict) or not (
            isinstance(item.get('image'), str)
            and isinstance(item.get('depth'), str)
        ):
            raise DataError(
                f"index {path!r}: item {number} has no 'image' or no 'depth'"
            )
        if split is None or item.get('split') == split:
            pairs.append(_indexed(item, base, index.get('depth_scale')))
    if not pairs:
        there = {str(item.get('split')) for item in items}
        raise DataError(
            f'index {path!r} has no item of split {split!r}; there are '
            f'{first_names(there)}'
        )
    counts = Counter(pair.name for pair in pairs)
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise DataError(f'index {path!r} lists twice: {first_names(twice)}')
    files = [file for pair in pairs for file in (pair.image, pair.depth)]
    gone = [file for file in files if not os.path.isfile(file)]
    if gone and check_files:
        raise DataError(
            f'index {path!r} lists {len(gone)} files that do not exist; mend '
            f'its root, or give data_root=...: {all_names(gone)}'
        )
    return sorted(pairs)


def _from_text(path: str, text: str) -> dict[str, Any]:
    """Return what a text list says, in the form of the JSON file."""
    items = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split('#')[0].split()
        if not words:
            continue
        if len(words) not in _COLUMNS:
            raise DataError(
                f'index {path!r}, line {number}: {len(words)} columns; there '
                'must be 2, picture and depth map, or 4, each after its time '
                'stamp'
            )
        image, depth = (words[place] for place in _COLUMNS[len(words)])
        items.append(dict(image=image, depth=depth))
    return dict(items=items)


def _indexed(item: dict[str, Any], base: str, scale: Any) -> Pair:
    """Return one item of an index as a pair; scenes may be numbers."""
    scene, room = (
        None if item.get(key) in (None, '') else str(item[key])
        for key in ('scene', 'room')
    )
    return Pair(
        item['image'].replace('\\', '/'),
        os.path.join(base, item['image']),
        os.path.join(base, item['depth']),
        item.get('depth_scale', scale),
        scene,
        room,
        item.get('focal'),
        item.get('image_sha256'),
        item.get('depth_sha256'),
    )


def check_depth_scale(value: Any, where: str) -> None:
    """Refuse what cannot be metres a stored unit.

    Args:
        value: The scale.
        where: The data set or file that has it, for the message.

    Raises:
        ConfigError: It is no number above 0 and up to 1.
    """
    good = isinstance(value, (int, float)) and not isinstance(value, bool)
    if good and 0 < value <= 1:
        return
    hint = ''
    if good and 1 < value < float('inf'):
        hint = f'; {value:g} units a metre are written 1/{value:g}'
    raise ConfigError(
        f'{where}: depth_scale is in metres a stored unit, above 0 and up to '
        f'1 (0.001 for millimetres), got {value!r}{hint}'
    )
