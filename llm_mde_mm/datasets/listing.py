"""Which pictures a data set has, without loading one."""

import os
from pathlib import Path
from typing import Any

from mmengine.dataset import BaseDataset

from llm_mde_mm.datasets.splits import split_digest


def picture_paths(dataset: Any) -> list[Path]:
    """Absolute paths of a data set's pictures, in its order.

    Args:
        dataset: A ``BaseDataset``, or MMEngine's wrappers of some; a data
            set of another kind tells none.
    """
    return [Path(os.path.abspath(i['img_path'])) for i in _items(dataset)]


def picture_names(dataset: Any) -> list[str]:
    """Names that tell a data set's pictures apart, in its order.

    Their files' stems; where two are alike, paths below the folder that all
    have in common, without what follows the last dot.
    """
    paths = picture_paths(dataset)
    stems = [path.stem for path in paths]
    if len(set(stems)) == len(stems):
        return stems
    root = common_folder(dataset) or ''
    return [p.relative_to(root).with_suffix('').as_posix() for p in paths]


def stored_files(dataset: Any) -> set[str]:
    """Paths of all files of a data set, none where pictures are rendered."""
    paths = {
        str(item[key])
        for item in _items(dataset)
        for key in ('img_path', 'depth_map_path')
        if key in item
    }
    return {path for path in paths if os.path.isfile(path)}


def stored_bytes(dataset: Any) -> int:
    """Size of all files of a data set, 0 where pictures are rendered."""
    return sum(os.path.getsize(path) for path in stored_files(dataset))


def _items(dataset: Any) -> list[dict]:
    if isinstance(dataset, BaseDataset):
        # The base class's method: a data set that renders its pictures would
        # render all of them.
        count = len(dataset)
        return [BaseDataset.get_data_info(dataset, i) for i in range(count)]
    inner = getattr(dataset, 'datasets', None) or [
        getattr(dataset, 'dataset', None)
    ]
    return [
        item for part in inner if part is not None for item in _items(part)
    ]


def describe_split(dataset: Any) -> dict[str, Any]:
    """Number of pictures and the digest that names them in logs and lists."""
    digest = getattr(dataset, 'split_digest', None) or split_digest(
        path.stem for path in picture_paths(dataset)
    )
    return dict(pictures=len(dataset), digest=digest)


def common_folder(dataset: Any) -> Path | None:
    """The deepest folder above all pictures; None where they are not told."""
    folders = {str(path.parent) for path in picture_paths(dataset)}
    return Path(os.path.commonpath(folders)) if folders else None
