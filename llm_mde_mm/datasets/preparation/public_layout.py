"""Public RGB-D sets in the NYU layout, with a manifest."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from llm_mde_mm.datasets.preparation.layout import (
    FOLDERS,
    files_of,
    take_over,
)
from llm_mde_mm.datasets.preparation.manifest import (
    check_settings,
    json_bytes,
    write_once,
)
from llm_mde_mm.datasets.preparation.public_files import Target
from llm_mde_mm.datasets.preparation.public_sets import PublicSet


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
            recorded, a file that exists differs, or the folder holds
            pictures of something else.
        WriteError: A file or a folder cannot be written; the same call goes
            on from there.
    """
    settings = dict(sources=[one.facts() for one in sets])
    check_settings(out, settings)
    frames = [(one, *frame) for one in sets for frame in one]
    items = [_item(*frame) for frame in frames]
    take_over(out, items)
    written, matches = 0, Counter(exact=0, close=0, other=0)
    for item, (one, number, _) in zip(
        tqdm(items, unit='picture'), frames, strict=True
    ):
        for kind in FOLDERS:
            target = Target(one, number, kind, out / item[kind])
            file = target.ensure(clones, verify)
            written += file.is_new
            matches[file.match] += 1
            item[f'{kind}_sha256'] = file.sha256
            item[f'{kind}_match'] = file.match
    manifest = json_bytes(dict(settings, depth_scale=0.001, items=items))
    written += write_once(out / 'manifest.json', manifest)
    return dict(pictures=len(items), written=written, **matches)


def _item(one: PublicSet, number: int, split: str) -> dict[str, Any]:
    """Return what the manifest says of a frame before it is there."""
    name = f'{one.scene}_{number:05d}'
    item = dict(name=name, index=number, split=split)
    item.update(scene=one.scene, room=one.room, set=one.name)
    item.update(files_of(name, split))
    return item
