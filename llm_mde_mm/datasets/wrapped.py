"""Configs of data sets that wrap others, such as MMEngine's ConcatDataset."""

from collections.abc import Callable, Mapping
from typing import Any


def inner_datasets(dataset: Mapping) -> list[Mapping]:
    """The data sets that a config holds: itself, where it wraps none.

    Args:
        dataset (Mapping): Config of a data set.
    """
    inner = dataset.get('datasets', ())
    if isinstance(dataset.get('dataset'), Mapping):
        inner = [dataset['dataset']]
    return [d for part in inner for d in inner_datasets(part)] or [dataset]


def change_inner(
    dataset: Mapping, change: Callable[[dict[str, Any]], Any]
) -> dict[str, Any]:
    """A copy of a config with each data set that it holds changed.

    Args:
        dataset (Mapping): Config of a data set.
        change (Callable): Changes a copy of an inner config in place.
    """
    copy = dict(dataset)
    if isinstance(copy.get('dataset'), Mapping):
        copy['dataset'] = change_inner(copy['dataset'], change)
    elif copy.get('datasets'):
        copy['datasets'] = [change_inner(d, change) for d in copy['datasets']]
    else:
        change(copy)
    return copy


def without_pipeline(dataset: Mapping) -> dict[str, Any]:
    """A config whose data sets open without loading anything.

    Args:
        dataset (Mapping): Config of a data set.
    """

    def empty(inner: dict) -> None:
        if 'pipeline' in inner:
            inner['pipeline'] = []

    return change_inner(dataset, empty)
