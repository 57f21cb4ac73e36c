"""Predictions in files, of any system, beside their ground truth."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from llm_mde_mm.datasets.preparation.folders import files_below
from llm_mde_mm.datasets.splits import all_names, first_names
from llm_mde_mm.datasets.transforms.reading import read_depth
from llm_mde_mm.utils.errors import ConfigError, DataError

SUFFIXES = ('.png', '.npy', '.pfm')
"""Files that hold a depth map: 16-bit pictures and arrays of numbers."""

# Metres a stored unit where nothing else is said.
_SCALES = {'.png': 0.001}


class SavedPair(NamedTuple):
    """A prediction and its ground truth.

    Attributes:
        name (str): What their file names share, the folders below included.
        pred (Path): File of the prediction.
        gt (Path): File of the ground truth.
    """

    name: str
    pred: Path
    gt: Path


def pair_saved(
    pred_dir: str | Path,
    gt_dir: str | Path,
    pred_suffix: str | None = None,
    gt_suffix: str | None = None,
) -> list[SavedPair]:
    """Pair the depth files of two folders by their names.

    Folders below are searched too and belong to the name.

    Args:
        pred_dir (str | Path): Folder of the predictions.
        gt_dir (str | Path): Folder of the ground truth, such as
            ``annotations/test`` of the NYU layout.
        pred_suffix (str, optional): How the predictions' file names end, such
            as ``'_depth.npy'``; the rest of the name pairs. By default any
            of ``SUFFIXES``.
        gt_suffix (str, optional): Likewise of the ground truth.

    Returns:
        list[SavedPair]: Sorted by name.

    Raises:
        ConfigError: If a suffix ends in none of ``SUFFIXES``.
        DataError: If a folder is missing or holds no depth file, two files
            share a name, or one has no partner.
    """
    preds = _depth_files(pred_dir, pred_suffix, '--pred-suffix')
    gts = _depth_files(gt_dir, gt_suffix, '--gt-suffix')
    counts = (
        f'{len(preds)} predictions in {str(pred_dir)!r}, {len(gts)} '
        f'ground-truth maps in {str(gt_dir)!r}'
    )
    for alone, what in (
        (gts.keys() - preds.keys(), 'ground-truth maps without a prediction'),
        (preds.keys() - gts.keys(), 'predictions without ground truth'),
    ):
        if alone:
            raise DataError(
                f'{counts}; files pair by name without suffix, see '
                f'--pred-suffix and --gt-suffix; {len(alone)} {what}: '
                f'{all_names(alone)}'
            )
    return [SavedPair(name, preds[name], gts[name]) for name in sorted(gts)]


def read_saved(
    pair: SavedPair,
    pred_scale: float | None = None,
    gt_scale: float | None = None,
) -> dict:
    """Read a pair as a data sample that a metric takes.

    Args:
        pair (SavedPair): The two files.
        pred_scale (float, optional): Metres a stored unit of the prediction;
            0.001 for PNG and 1 for other files by default.
        gt_scale (float, optional): Likewise of the ground truth.

    Returns:
        dict: ``pred_depth_map``, ``gt_depth_map`` and ``img_path``, the
        prediction's file.

    Raises:
        DataError: If a file is damaged or no depth map, or the two differ in
            size.
        ConfigError: If a scale is not above 0.
    """
    pred = _read_metres(pair.pred, pred_scale, 'pred_scale')
    gt = _read_metres(pair.gt, gt_scale, 'gt_scale')
    if pred.shape != gt.shape:
        sizes = [f'{m.shape[1]} x {m.shape[2]}' for m in (pred, gt)]
        raise DataError(
            f'{pair.pred} is {sizes[0]} (height x width), its ground truth '
            f'{pair.gt} {sizes[1]}: bring predictions to the size of the '
            'ground truth, which is scored as it is'
        )
    return dict(
        pred_depth_map=dict(data=pred),
        gt_depth_map=dict(data=gt),
        img_path=str(pair.pred),
    )


def _depth_files(
    folder: str | Path, suffix: str | None, option: str
) -> dict[str, Path]:
    """Depth files of a folder, by name without suffix."""
    if suffix is not None and not suffix.lower().endswith(SUFFIXES):
        raise ConfigError(
            f'{option} is {suffix!r}: it ends in one of {", ".join(SUFFIXES)}'
        )
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise DataError(f'there is no folder {str(folder)!r}')
    found: dict[str, Path] = {}
    endings = (suffix,) if suffix else SUFFIXES
    for path in _walk(folder):
        end = next((e for e in endings if path.name.endswith(e)), None)
        if end is None:
            continue
        name = path.relative_to(folder).as_posix().removesuffix(end)
        if name in found:
            raise DataError(
                f'two files for {name!r} in {str(folder)!r}: '
                f'{found[name].name} and {path.name}; choose by {option}'
            )
        found[name] = path
    if not found:
        there = first_names(os.listdir(folder)) or 'nothing'
        raise DataError(
            f'{str(folder)!r} holds no depth file (*{", *".join(endings)}); '
            f'there: {there}'
        )
    return found


def _walk(folder: Path) -> Iterable[Path]:
    """Files in and below a folder, without hidden ones, sorted."""
    return sorted(
        path
        for path in files_below(folder)
        # Copies from some file systems carry a '._name' beside each file.
        if not path.name.startswith('.')
    )


def _read_metres(path: Path, scale: float | None, key: str) -> Tensor:
    """Depth (1, H, W) in [m], float32."""
    if scale is None:
        scale = _SCALES.get(path.suffix.lower(), 1.0)
    if not 0 < scale < float('inf'):
        raise ConfigError(f'{key} must be above 0, got {scale}')
    # Divided, as LoadDepth does: times 0.001 rounds to other values.
    stored = read_depth(str(path)).astype(np.float32)
    return torch.from_numpy(stored / np.float32(1 / scale))[None]
