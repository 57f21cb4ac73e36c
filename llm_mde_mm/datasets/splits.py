"""Which pictures of a split are used: pure functions of names and a rule.

A name is a file's name without extension, ``<scene>_<number>``, or any text
where ``type_of`` tells its scene type. The outcome is always sorted and
depends on neither the order of the names nor anything outside the arguments
(the contents of a list file are one of them).
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from llm_mde_mm.datasets.draws import (
    by_scene,
    evenly_spaced,
    k_shot,
    of_scenes,
    one_of_each_room,
    scene_of,
    whole_number,
)
from llm_mde_mm.utils.errors import ConfigError, DataError

_KINDS: dict[str, tuple[type, ...]] = dict(
    list_file=(str, Path),
    scenes=(str, list, tuple, set, frozenset),
    seed=(int,),
    complement=(bool,),
    then=(Mapping,),
)
_COUNTS = ('shots', 'rooms', 'evenly_spaced')
RULE_KEYS = (*_COUNTS, *_KINDS)
_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp')
_SHOWN = 5


def first_names(names: Iterable[str]) -> str:
    """Return the first five names for a message, and how many follow."""
    names = sorted(names)
    more = len(names) - _SHOWN
    return ', '.join(names[:_SHOWN]) + (f' and {more} more' * (more > 0))


def all_names(names: Iterable[str]) -> str:
    """Return all names for a message, one a line if there are over five."""
    names = sorted(names)
    if len(names) > _SHOWN:
        return '\n  '.join(['', *names])
    return ', '.join(names)


def split_digest(names: Iterable[str]) -> str:
    """Return 12 hex digits that name a set of pictures, in any order."""
    text = '\n'.join(sorted(names))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def from_list(
    path: str | Path, names: Iterable[str] | None = None
) -> list[str]:
    """Read the names that a text file lists, one a line.

    A line may hold a folder and an extension (``train/kitchen_0001.jpg``),
    which are dropped unless one of ``names`` has them; what follows a ``#``
    is a comment, and empty lines are skipped.

    Args:
        path: The text file; a relative path starts at the working directory.
        names: Names that exist; None leaves them unchecked.

    Raises:
        DataError: The file cannot be read, holds no name or one name twice,
            or lists names that do not exist.
    """
    try:
        lines = Path(path).read_text(encoding='utf-8').splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f'subset: cannot read list_file {str(path)!r}: {error}'
        ) from error
    known = set(names or ())
    chosen: list[str] = []
    for line in lines:
        # A name may hold a '#' itself.
        text = line.strip()
        if text not in known:
            text = line.split('#')[0].strip()
        entry = PurePosixPath(text.replace('\\', '/'))
        if text in known:
            chosen.append(text)
        elif entry.name:
            is_file = entry.suffix.lower() in _SUFFIXES
            chosen.append(entry.stem if is_file else entry.name)
    twice = [name for name, count in Counter(chosen).items() if count > 1]
    if not chosen or twice:
        problem = f'lists twice: {first_names(twice)}' if twice else 'is empty'
        raise DataError(f'subset: list_file {str(path)!r} {problem}')
    missing = set() if names is None else set(chosen) - known
    if missing:
        raise DataError(
            f'subset: list_file {str(path)!r} lists {len(missing)} pictures '
            f'that are not in this split: {first_names(missing)}'
        )
    return sorted(chosen)


def check_rule(rule: Mapping[str, Any]) -> None:
    """Check a rule's keys and the kinds of their values.

    Raises:
        ConfigError: A key does not exist or its value is of another kind.
    """
    if not isinstance(rule, Mapping):
        raise ConfigError(f'subset must be a dict, got {rule!r}')
    for key in rule:
        if key not in RULE_KEYS:
            raise ConfigError(
                f'subset has no key {key!r}; there are {", ".join(RULE_KEYS)}'
            )
    for key, value in rule.items():
        if value is None:
            continue
        if key in _COUNTS:
            whole_number(value, key)
        elif key in _KINDS and not isinstance(value, _KINDS[key]):
            raise ConfigError(f'subset: {key} cannot be {value!r}')
    if rule.get('then') is not None:
        check_rule(rule['then'])


def choose(
    names: Iterable[str],
    rule: Mapping[str, Any] | None,
    type_of: Callable[[str], str] = scene_of,
    room_of: Callable[[str], str] | None = None,
) -> list[str]:
    """Choose the names that a rule describes.

    Keys that are absent or None do nothing. The others apply in this order,
    each to the outcome of the one before: ``list_file`` (path), ``scenes``
    (types), ``shots`` (k of each type), ``rooms`` (one picture of each of n
    rooms), ``evenly_spaced`` (n); the two draws are by ``seed``, default 0.
    ``complement=True`` then takes all ``names`` that were *not* chosen, and
    ``then`` is a whole second rule for the outcome:
    ``dict(shots=1, complement=True, then=dict(evenly_spaced=100))`` is a
    validation set beside a 1-shot training set.

    Args:
        names: Names to choose from.
        rule: The rule; None chooses all.
        type_of: Gives a name's scene type.
        room_of: Gives a name's room; None if nothing tells.

    Returns:
        Sorted names; empty where a complement leaves none.

    Raises:
        ConfigError: The rule is malformed.
        DataError: The names cannot satisfy it.
    """
    everything = sorted(names)
    if rule is None:
        return everything
    check_rule(rule)
    chosen = _listed(everything, rule, type_of)
    seed = rule.get('seed') or 0
    if rule.get('shots') is not None:
        chosen = k_shot(chosen, rule['shots'], seed, type_of)
    if rule.get('rooms') is not None:
        if room_of is None:
            raise DataError('subset: rooms=... needs data that name rooms')
        chosen = one_of_each_room(chosen, rule['rooms'], seed, room_of)
    if rule.get('evenly_spaced') is not None:
        chosen = evenly_spaced(chosen, rule['evenly_spaced'])
    if rule.get('complement'):
        chosen = sorted(set(everything) - set(chosen))
    return choose(chosen, rule.get('then'), type_of, room_of)


def short_types(
    names: Iterable[str],
    rule: Mapping[str, Any] | None,
    type_of: Callable[[str], str] = scene_of,
    room_of: Callable[[str], str] | None = None,
) -> list[str]:
    """Return what types have fewer pictures than ``shots``, for a message.

    Args:
        names: Names that :func:`choose` would choose from.
        rule: Its rule.
        type_of: Gives a name's scene type.
        room_of: Gives a name's room; None if nothing tells.

    Returns:
        ``'fewer than 4 of: cafe 1, study 3'``, for the rule and for each
        ``then`` in it that draws shots and has such types.
    """
    found = []
    while rule is not None:
        k = rule.get('shots')
        if k is not None:
            groups = by_scene(_listed(sorted(names), rule, type_of), type_of)
            few = [f'{t} {len(g)}' for t, g in groups.items() if len(g) < k]
            if few:
                found.append(f'fewer than {k} of: {", ".join(few)}')
        rest = rule.get('then')
        if rest is not None:
            names = choose(names, {**rule, 'then': None}, type_of, room_of)
        rule = rest
    return found


def _listed(
    names: list[str], rule: Mapping[str, Any], type_of: Callable[[str], str]
) -> list[str]:
    """Apply ``list_file`` and ``scenes``, which come before any draw."""
    if rule.get('list_file') is not None:
        names = from_list(rule['list_file'], names)
    if rule.get('scenes') is not None:
        names = of_scenes(names, rule['scenes'], type_of)
    return names
