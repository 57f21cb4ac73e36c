"""Which pictures a data set has, without loading one."""

import os
from pathlib import Path
from typing import Any

from mmengine.dataset import BaseDataset

from llm_mde_mm.datasets.splits import split_digest


def picture_paths(dataset: Any) -> list[Path]:
    """Paths of a data set's pictures, in its order.

    Args:
        dataset: A ``BaseDataset``, or MMEngine's wrappers of some; a data
            set of another kind tells none.
    """
    if isinstance(dataset, BaseDataset):
        # The base class's method: a data set that renders its pictures would
        # render all of them.
        items = (
            BaseDataset.get_data_info(dataset, i) for i in range(len(dataset))
        )
        return [Path(item['img_path']) for item in items]
    inner = getattr(dataset, 'datasets', None) or [
        getattr(dataset, 'dataset', None)
    ]
    return [
        path
        for part in inner
        if part is not None
        for path in picture_paths(part)
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
