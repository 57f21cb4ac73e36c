"""Public RGB-D sets in the NYU layout, with a manifest."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from llm_mde_mm.datasets.preparation.manifest import (
    check_settings,
    json_bytes,
    write_once,
)
from llm_mde_mm.datasets.preparation.public_files import Target
from llm_mde_mm.datasets.preparation.public_sets import PublicSet
from llm_mde_mm.datasets.splits import first_names
from llm_mde_mm.utils.errors import DataError

_KINDS = dict(image=('images', 'jpg'), depth=('annotations', 'png'))


def prepare_public(
    out: Path,
    sets: Sequence[PublicSet],
    clones: Path | None = None,
    verify: bool = True,
) -> dict[str, int]:
    """Write sets in the NYU layout, and ``manifest.json``.

    Files that are there with the right content stay and are not fetched
    again. The manifest comes last: where it is, all else is.

    Args:
        out: Folder of ``images``, ``annotations`` and ``manifest.json``.
        sets: See :func:`~.public_sets.read_sets`.
        clones: Folder of the repositories, in place of the network.
        verify: Whether content other than recorded raises.

    Returns:
        Numbers of ``pictures``, of files ``written``, and of files that are
        ``exact``, ``close`` and ``other``; see :meth:`Target.match`.

    Raises:
        DataError: A source is missing, unreadable or has other content than
            recorded, a file that exists differs, the folder holds pictures
            of something else, or nothing can be written.
    """
    settings = dict(sources=[one.facts() for one in sets])
    check_settings(out / 'manifest.json', settings)
    frames = [(one, *frame) for one in sets for frame in one]
    items = [_item(*frame) for frame in frames]
    _check_strangers(out, items)
    written, matches = 0, Counter(exact=0, close=0, other=0)
    try:
        for item, (one, number, _) in zip(
            tqdm(items, unit='picture'), frames, strict=True
        ):
            for kind in _KINDS:
                target = Target(one, number, kind, out / item[kind])
                file = target.ensure(clones, verify)
                written += file.is_new
                matches[file.match] += 1
                item[f'{kind}_sha256'] = file.sha256
                item[f'{kind}_match'] = file.match
        manifest = json_bytes(dict(settings, depth_scale=0.001, items=items))
        written += write_once(out / 'manifest.json', manifest)
    except OSError as error:
        raise DataError(
            f'{out}: {error}; the same command goes on from there'
        ) from error
    return dict(pictures=len(items), written=written, **matches)


def _item(one: PublicSet, number: int, split: str) -> dict[str, Any]:
    """Return what the manifest says of a frame before it is there."""
    name = f'{one.scene}_{number:05d}'
    item = dict(name=name, index=number, split=split)
    item.update(scene=one.scene, room=one.room, set=one.name)
    for kind, (folder, suffix) in _KINDS.items():
        item[kind] = f'{folder}/{split}/{name}.{suffix}'
    return item


def _check_strangers(out: Path, items: Iterable[dict[str, Any]]) -> None:
    """Raise if a data set of this folder would show other files as well."""
    there = (
        path.relative_to(out).as_posix()
        for folder, _ in _KINDS.values()
        for path in (out / folder).rglob('[!.]*')
        if path.is_file()
    )
    strangers = set(there) - {item[kind] for item in items for kind in _KINDS}
    if strangers:
        raise DataError(
            f'{out} holds {len(strangers)} files of something else: '
            f'{first_names(strangers)}; choose another output folder'
        )
