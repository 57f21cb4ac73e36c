"""Small public RGB-D sets: where each frame lies and what it must become."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

from llm_mde_mm.utils.errors import ConfigError, DataError

SETS_FILE = Path(__file__).parents[2] / 'assets/public_sets.json'

_MALFORMED = (OSError, ValueError, LookupError, TypeError, AttributeError)


class Frame(NamedTuple):
    """One picture with its depth map: number in its set, and split."""

    number: int
    split: str


@dataclass(frozen=True, kw_only=True)
class PublicSet:
    """Where the frames of a set lie and what they must become.

    Args:
        name: Short name, for the command line.
        title: What it is.
        licence: Its licence, in words.
        citation: Whom to cite.
        repository: Repository that keeps it, for people who clone it.
        commit: Commit of that repository.
        url: Address that ``image`` and ``depth`` continue.
        folder: The same place in a folder of clones.
        image: File name of a picture, ``{:05d}`` for the frame's number;
            JPEG, or ``.npy`` of RGB in 0..1.
        depth: File name of a depth map; 16-bit PNG or ``.npy``.
        depth_scale: Metres a unit of the depth map.
        invalid: Values that mean "no measurement", beside 0.
        scene: Scene type.
        room: Room, or None if the source does not tell.
        frames: Split to first frame, last frame and step.
        sha256: Frame to the SHA-256 of the picture's file and that of the
            depth map's pixels (rows of little-endian uint16, millimetres).
        means: ``image`` (RGB) and ``depth`` (millimetres): means of 4x4
            blocks, which suffice where the files are rendered from arrays
            of floats and so depend on the JPEG encoder. One frame only.
    """

    name: str
    title: str
    licence: str
    citation: str
    repository: str
    commit: str
    url: str
    folder: str
    image: str
    depth: str
    depth_scale: float
    invalid: Sequence[int]
    scene: str
    room: str | None
    frames: Mapping[str, tuple[int, int, int]]
    sha256: Mapping[str, tuple[str, str]]
    means: Mapping[str, Sequence] | None = None

    def __iter__(self) -> Iterator[Frame]:
        """Iterate over the frames, split by split."""
        for split, (first, last, step) in self.frames.items():
            for number in range(first, last + 1, step):
                yield Frame(number, split)

    def facts(self) -> dict[str, Any]:
        """Return what a manifest says of the set."""
        keys = ('name', 'title', 'licence', 'citation', 'repository', 'commit')
        return {key: getattr(self, key) for key in keys}


def read_sets(
    path: Path = SETS_FILE, names: Iterable[str] | None = None
) -> list[PublicSet]:
    """Read the sets that a file describes.

    Args:
        path: JSON of ``sets``, each with the arguments of
            :class:`PublicSet`.
        names: Those wanted, in the file's order; None takes all.

    Raises:
        ConfigError: A name is unknown.
        DataError: The file is not as described.
    """
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
        sets = [PublicSet(**entry) for entry in content['sets']]
        for one in sets:
            if set(one.sha256) != {str(frame.number) for frame in one}:
                raise ValueError(f'{one.name}: frames and sha256 differ')
            for pattern in (one.image, one.depth):
                pattern.format(0)
    except _MALFORMED as error:
        keys = ', '.join(field.name for field in fields(PublicSet))
        raise DataError(
            f'{path}: not a list of sets ({error!r}); give JSON of "sets", '
            f'each with {keys}'
        ) from error
    if names is None:
        return sets
    known = [one.name for one in sets]
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise ConfigError(
            f'there is no set {", ".join(unknown)}; there are '
            f'{", ".join(known)}'
        )
    return [one for one in sets if one.name in set(names)]
