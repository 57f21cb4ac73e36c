"""How pictures are drawn: pure functions of their names and a seed."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from llm_mde_mm.utils.errors import ConfigError, DataError

_FOLDER = re.compile(r'(?P<room>(?P<scene>.+)_\d+)[a-z]*')
# In a picture's name a shorter number may be part of the scene type.
_RECORDING = re.compile(r'.+_\d{4}[a-z]*|nyu_office_\d+')
# Recordings of this name are of scene type 'office' in the labelled file.
_SCENES = dict(nyu_office='office')


def scene_and_room(folder: str) -> tuple[str, str | None]:
    """Return what the folder of a recording of NYU tells of type and room.

    Args:
        folder: ``bathroom``, ``bathroom_0001`` or ``bathroom_0001a``; the
            letter counts the recordings of one room.

    Returns:
        Scene type, and room or None if the name has no number.
    """
    match = _FOLDER.fullmatch(folder)
    if not match:
        return folder, None
    scene = match['scene']
    return _SCENES.get(scene, scene), match['room']


def scene_of(name: str) -> str:
    """Return a name's scene type: ``living_room`` of ``living_room_0012``.

    Args:
        name: ``<scene>_<number>``, or ``<recording>_<number>`` as in
            ``bookstore_0001d_00001``; the scene may hold underscores, and
            only digits follow the last one.

    Raises:
        DataError: The name has another form.
    """
    return _named(name)[0]


def room_of(name: str) -> str | None:
    """Return the room of a picture that is named after its recording.

    Args:
        name: See :func:`scene_of`.

    Returns:
        ``bookstore_0001`` of ``bookstore_0001d_00001``; None where the name
        holds no recording.
    """
    return _named(name)[1]


def _named(name: str) -> tuple[str, str | None]:
    """Return the scene type and, if there is one, the room in a name."""
    scene, _, number = name.rpartition('_')
    if not scene or not (number.isascii() and number.isdigit()):
        raise DataError(
            f'{name!r} does not name a scene type: pictures are called '
            '<scene>_<number>, such as living_room_0012'
        )
    if _RECORDING.fullmatch(scene):
        return scene_and_room(scene)
    return scene, None


def whole_number(value: Any, key: str) -> int:
    """Return a whole number of at least 1, or say which key it is not."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigError(
            f'subset: {key} must be a whole number of at least 1, got '
            f'{value!r}'
        )
    return value


def by_scene(
    names: Iterable[str], type_of: Callable[[str], str] = scene_of
) -> dict[str, list[str]]:
    """Group names by scene type; types and names are both sorted."""
    groups = defaultdict(list)
    for name in sorted(names):
        groups[type_of(name)].append(name)
    return dict(sorted(groups.items()))


def evenly_spaced(names: Iterable[str], n: int) -> list[str]:
    """Choose n pictures spread over the sorted names.

    The i-th choice is the name at place ``floor(i * len(names) / n)``.

    Args:
        names: Names to choose from.
        n: How many, 1 to ``len(names)``.

    Raises:
        ConfigError: ``n`` is not a whole number of at least 1.
        DataError: There are fewer than ``n`` names.
    """
    names = sorted(names)
    if whole_number(n, 'evenly_spaced') > len(names):
        raise DataError(
            f'subset: evenly_spaced={n} asks for more than the {len(names)} '
            'pictures there are'
        )
    return [names[i * len(names) // n] for i in range(n)]


def k_shot(
    names: Iterable[str],
    k: int,
    seed: int = 0,
    type_of: Callable[[str], str] = scene_of,
) -> list[str]:
    """Draw k pictures of each scene type, all of a type that has fewer.

    Within a type the pictures with the k smallest SHA-256 values of seed and
    name are drawn. A draw thus depends on nothing but its own type, k shots
    contain the k - 1 shots of the same seed, and no random generator's
    version matters.

    Args:
        names: Names to choose from.
        k: Pictures of each scene type.
        seed: Another seed, another draw.
        type_of: Gives a name's scene type.

    Raises:
        ConfigError: ``k`` is not a whole number of at least 1.
        DataError: ``k`` is above the size of the largest type.
    """
    whole_number(k, 'shots')
    groups = by_scene(names, type_of)
    largest = max(groups, key=lambda scene: len(groups[scene]), default='')
    if groups and k > len(groups[largest]):
        raise DataError(
            f'subset: shots={k}, but the largest scene type, {largest}, has '
            f'{len(groups[largest])} pictures'
        )
    return sorted(
        name for group in groups.values() for name in _drawn(group, k, seed)
    )


def one_of_each_room(
    names: Iterable[str],
    n: int,
    seed: int,
    room_of: Callable[[str], str],
) -> list[str]:
    """Draw n rooms and one picture of each.

    The rooms are those with the n smallest SHA-256 values of seed and room,
    the pictures as in :func:`k_shot`: n rooms contain the n - 1 rooms of the
    same seed.

    Args:
        names: Names to choose from.
        n: How many rooms.
        seed: Another seed, another draw.
        room_of: Gives the room that a picture shows.

    Raises:
        ConfigError: ``n`` is not a whole number of at least 1.
        DataError: There are fewer than ``n`` rooms.
    """
    groups = by_scene(names, room_of)
    if whole_number(n, 'rooms') > len(groups):
        raise DataError(
            f'subset: rooms={n} asks for more than the {len(groups)} rooms '
            'that these pictures show'
        )
    return sorted(
        _drawn(groups[room], 1, seed)[0] for room in _drawn(groups, n, seed)
    )


def of_scenes(
    names: Iterable[str],
    scenes: str | Iterable[str],
    type_of: Callable[[str], str] = scene_of,
) -> list[str]:
    """Choose all pictures of the named scene types.

    Args:
        names: Names to choose from.
        scenes: One scene type or several.
        type_of: Gives a name's scene type.

    Raises:
        DataError: A type has no picture; the message lists those that do.
    """
    groups = by_scene(names, type_of)
    wanted = {scenes} if isinstance(scenes, str) else set(map(str, scenes))
    unknown = sorted(wanted - set(groups))
    if unknown:
        raise DataError(
            f'subset: no picture of scene type {", ".join(unknown)}; there '
            f'are {", ".join(groups) or "none"}'
        )
    return sorted(name for scene in wanted for name in groups[scene])


def _drawn(texts: Iterable[str], n: int, seed: int) -> list[str]:
    """Return those n whose SHA-256 values with the seed are smallest."""

    def rank(text: str) -> bytes:
        return hashlib.sha256(f'{seed}:{text}'.encode()).digest()

    return sorted(texts, key=rank)[:n]
