"""Which pictures of a split are used: pure functions of names and a rule.

A name is a file's name without extension, ``<scene>_<number>``, or any text
where ``type_of`` tells its scene type. The outcome is always sorted and
depends on neither the order of the names nor anything outside the arguments
(the contents of a list file are one of them).
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from llm_mde_mm.utils.errors import ConfigError, DataError

_KINDS: dict[str, tuple[type, ...]] = dict(
    list_file=(str, Path),
    scenes=(str, list, tuple, set, frozenset),
    seed=(int,),
    complement=(bool,),
    then=(Mapping,),
)
RULE_KEYS = ('shots', 'evenly_spaced', *_KINDS)
_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp')
_SHOWN = 5


def first_names(names: Iterable[str]) -> str:
    """Return the first five names for a message, and how many follow."""
    names = sorted(names)
    more = len(names) - _SHOWN
    return ', '.join(names[:_SHOWN]) + (f' and {more} more' * (more > 0))


def split_digest(names: Iterable[str]) -> str:
    """Return 12 hex digits that name a set of pictures, in any order."""
    text = '\n'.join(sorted(names))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def scene_of(name: str) -> str:
    """Return a name's scene type: ``living_room`` of ``living_room_0012``.

    Args:
        name: ``<scene>_<number>``; the scene may hold underscores, and only
            digits follow the last one.

    Raises:
        DataError: The name has another form.
    """
    scene, _, number = name.rpartition('_')
    if not scene or not (number.isascii() and number.isdigit()):
        raise DataError(
            f'{name!r} does not name a scene type: pictures are called '
            '<scene>_<number>, such as living_room_0012'
        )
    return scene


def _count(value: Any, key: str) -> int:
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
    if _count(n, 'evenly_spaced') > len(names):
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
    _count(k, 'shots')

    def rank(name: str) -> bytes:
        return hashlib.sha256(f'{seed}:{name}'.encode()).digest()

    groups = by_scene(names, type_of)
    largest = max(groups, key=lambda scene: len(groups[scene]), default='')
    if groups and k > len(groups[largest]):
        raise DataError(
            f'subset: shots={k}, but the largest scene type, {largest}, has '
            f'{len(groups[largest])} pictures'
        )
    return sorted(
        name
        for group in groups.values()
        for name in sorted(group, key=rank)[:k]
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
    wanted = {scenes} if isinstance(scenes, str) else set(scenes)
    unknown = sorted(wanted - set(groups))
    if unknown:
        raise DataError(
            f'subset: no picture of scene type {", ".join(unknown)}; there '
            f'are {", ".join(groups) or "none"}'
        )
    return sorted(name for scene in wanted for name in groups[scene])


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
        if key in ('shots', 'evenly_spaced'):
            _count(value, key)
        elif key in _KINDS and not isinstance(value, _KINDS[key]):
            raise ConfigError(f'subset: {key} cannot be {value!r}')
    if rule.get('then') is not None:
        check_rule(rule['then'])


def choose(
    names: Iterable[str],
    rule: Mapping[str, Any] | None,
    type_of: Callable[[str], str] = scene_of,
) -> list[str]:
    """Choose the names that a rule describes.

    Keys that are absent or None do nothing. The others apply in this order,
    each to the outcome of the one before: ``list_file`` (path), ``scenes``
    (types), ``shots`` (k of each type, with ``seed``, default 0),
    ``evenly_spaced`` (n). ``complement=True`` then takes all ``names`` that
    were *not* chosen, and ``then`` is a whole second rule for the outcome:
    ``dict(shots=1, complement=True, then=dict(evenly_spaced=100))`` is a
    validation set beside a 1-shot training set.

    Args:
        names: Names to choose from.
        rule: The rule; None chooses all.
        type_of: Gives a name's scene type.

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
    chosen = everything
    if rule.get('list_file') is not None:
        chosen = from_list(rule['list_file'], chosen)
    if rule.get('scenes') is not None:
        chosen = of_scenes(chosen, rule['scenes'], type_of)
    if rule.get('shots') is not None:
        seed = rule.get('seed')
        seed = 0 if seed is None else seed
        chosen = k_shot(chosen, rule['shots'], seed, type_of)
    if rule.get('evenly_spaced') is not None:
        chosen = evenly_spaced(chosen, rule['evenly_spaced'])
    if rule.get('complement'):
        chosen = sorted(set(everything) - set(chosen))
    return choose(chosen, rule.get('then'), type_of)
