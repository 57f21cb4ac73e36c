"""Decode every sample of a data set and say what is wrong with it."""

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mmseg.registry import TRANSFORMS

from llm_mde_mm.datasets.preparation.manifest import file_digests
from llm_mde_mm.utils.errors import DataError, LLMMDEError

_LOADERS = ('LoadPicture', 'LoadDepth')


class Sample(NamedTuple):
    """What was found out about one sample.

    Attributes:
        image: Path of the picture, or its name where it is no file.
        depth: Path of the depth map, None where it is no file.
        near: Least depth in [m]; NaN, as the next three, if it is bad.
        far: Greatest depth in [m].
        median: Median depth in [m].
        valid: Share of the pixels with a depth.
        image_sha256: Digest of the picture's file, if there is one.
        depth_sha256: Digest of the depth map's file, if there is one.
        problem: What is wrong with it, None if nothing is.
    """

    image: str
    depth: str | None
    near: float = math.nan
    far: float = math.nan
    median: float = math.nan
    valid: float = math.nan
    image_sha256: str | None = None
    depth_sha256: str | None = None
    problem: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the attributes, None in place of NaN, which is no JSON."""
        return {
            key: None if value != value else value
            for key, value in self._asdict().items()
        }


def add_hashes(items: Sequence[dict], path: str) -> None:
    """Give items the hashes that ``tools/check_data.py`` wrote.

    Args:
        items: Items of a data set, changed in place.
        path: Its ``--manifest``.

    Raises:
        DataError: It cannot be read, or lacks a sound file of an item.
    """
    known = {}
    try:
        content = json.loads(Path(path).read_text(encoding='utf-8'))
        del content['problems']
        for sample in (one for split in content.values() for one in split):
            for kind in ('image', 'depth'):
                file = os.path.abspath(sample[kind] or '')
                known[file] = sample[f'{kind}_sha256']
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise DataError(
            f'cannot read hashes {path!r} ({error!r}): give a file of '
            'tools/check_data.py --manifest'
        ) from error
    for item in items:
        for key, kind in (('img_path', 'image'), ('depth_map_path', 'depth')):
            digest = known.get(os.path.abspath(item[key]))
            if digest is None:
                raise DataError(
                    f'{path!r} has no hash of {item[key]}: write it again by '
                    'tools/check_data.py --manifest'
                )
            item[f'{kind}_sha256'] = digest


def loading_steps(pipeline: Sequence[Mapping]) -> list[Any]:
    """Build the steps of a pipeline's config that read files."""
    return [
        TRANSFORMS.build(step)
        for step in pipeline
        if step.get('type') in _LOADERS
    ]


def inspect_all(
    dataset: Any, steps: Sequence[Any], workers: int = 2
) -> Iterator[Sample]:
    """Decode each sample of a data set, several at a time, in its order.

    Args:
        dataset: Data set whose own pipeline is empty.
        steps: Outcome of :func:`loading_steps`.
        workers: Number of threads; decoding and hashing let others run.
    """
    with ThreadPoolExecutor(workers) as pool:
        yield from pool.map(
            lambda index: _inspect(dataset.get_data_info(index), steps),
            range(len(dataset)),
        )


def shared_files(
    samples: Iterable[Sample], others: Iterable[Sample]
) -> list[str]:
    """Return the pictures of a set that another has, by path or content.

    Pictures that are rendered are no files and shared with none.
    """

    def keys(item: Sample) -> set[str]:
        if not os.path.isfile(item.image):
            return set()
        path = os.path.realpath(item.image)
        return {path, item.image_sha256 or path}

    known = {key for item in others for key in keys(item)}
    return sorted(item.image for item in samples if keys(item) & known)


def _inspect(item: dict, steps: Sequence[Any]) -> Sample:
    """Decode one item and measure its depth."""
    sample = Sample(item['img_path'], item.get('depth_map_path'))
    try:
        for step in steps:
            item = step(item)
    except LLMMDEError as error:
        return sample._replace(problem=str(error))
    sample = sample._replace(
        image_sha256=_sha256(sample.image), depth_sha256=_sha256(sample.depth)
    )
    if 'gt_depth_map' not in item:
        return sample._replace(
            problem=f'{sample.image}: the pipeline loads no depth'
        )
    depth = item['gt_depth_map']
    measured = depth[np.isfinite(depth) & (depth > 0)]
    if not measured.size:
        return sample._replace(
            valid=0.0,
            problem=f'{sample.depth or sample.image}: no pixel has a depth',
        )
    return sample._replace(
        near=float(measured.min()),
        far=float(measured.max()),
        median=float(np.median(measured)),
        valid=measured.size / depth.size,
    )


def _sha256(path: str | None) -> str | None:
    """Return the digest of a file, None for what is no file."""
    if path is None or not os.path.isfile(path):
        return None
    return file_digests(Path(path), 'sha256')['sha256']
