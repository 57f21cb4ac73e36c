"""No picture of the test set is trained on."""

import logging
from collections.abc import Mapping
from itertools import combinations
from typing import Any

from mmengine.logging import print_log

from llm_mde_mm.datasets.splits import first_names
from llm_mde_mm.utils.errors import DataError


def shared_pictures(one: Any, other: Any) -> list[str]:
    """Return the pictures of a data set that another one has too.

    Pictures are equal if they are one file, whatever link leads to it, or of
    one content by the hashes of a manifest or index; in the NYU layout with
    manifests also if they have one name. Data sets that cannot tell their
    pictures apart, without ``identities()``, share none.

    Args:
        one: A data set, which may be wrapped or concatenated.
        other: Another.
    """
    here, there = _identities(one), _identities(other)
    return sorted({here[key] for key in here.keys() & there.keys()})


def check_disjoint(datasets: Mapping[str, Any]) -> None:
    """Raise if what is trained on or selects a checkpoint is tested on.

    Pictures shared by ``train`` and ``val`` only get a warning.

    Args:
        datasets: Data sets by the name of their split.

    Raises:
        DataError: A split shares pictures with ``test``.
    """
    for one, other in combinations(datasets, 2):
        shared = shared_pictures(datasets[one], datasets[other])
        if not shared:
            continue
        text = (
            f'{len(shared)} pictures of the {one} set are in the {other} set '
            f'too: {first_names(shared)}'
        )
        if 'test' in (one, other):
            raise DataError(
                f'{text}; a score on them would mean nothing: take them out '
                f'of {one}_dataloader or {other}_dataloader'
            )
        print_log(text, logger='current', level=logging.WARNING)


def _identities(dataset: Any) -> dict[str, str]:
    """Return what a data set, or those that it wraps, tells of pictures."""
    if hasattr(dataset, 'identities'):
        return dataset.identities()
    parts = [*getattr(dataset, 'datasets', ())]
    if hasattr(dataset, 'dataset'):
        parts.append(dataset.dataset)
    found: dict[str, str] = {}
    for part in parts:
        found |= _identities(part)
    return found
