#!/usr/bin/env python
"""Decode all data of a config: ``python tools/check_data.py CONFIG``."""

import argparse
import json
import sys
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

# The package comes first: it says what to do where OpenCV does not load.
from llm_mde_mm.apis import launch  # isort: skip
import numpy as np
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS
from tqdm import tqdm

from llm_mde_mm.datasets.chosen import ChosenDataset
from llm_mde_mm.datasets.inspection import (
    Sample,
    inspect_all,
    loading_steps,
    shared_files,
)
from llm_mde_mm.datasets.wrapped import inner_datasets
from llm_mde_mm.utils.depth_io import write_bytes
from llm_mde_mm.utils.errors import ConfigError, DataError

_LOADING = [dict(type='LoadPicture'), dict(type='LoadDepth')]


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Decode every sample, measure its depth, report what is '
        'damaged; exit status 1 if anything is.'
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument('config', nargs='?', help='config file')
    what.add_argument(
        '--folder', help='folder with images/SPLIT and annotations/SPLIT'
    )
    parser.add_argument(
        '--workers', type=int, default=2, help='threads that decode (2)'
    )
    parser.add_argument(
        '--manifest', metavar='FILE', help='JSON of all samples, to write'
    )
    launch.add_cfg_options(parser)
    return parser.parse_args()


def _suffix(folder: Path) -> str:
    """Return the end of the names of a split's pictures."""
    found = {path.suffix for path in folder.iterdir()}
    return '.png' if '.png' in found and '.jpg' not in found else '.jpg'


def data_of(args: argparse.Namespace) -> dict[str, dict]:
    """Return the config of each data set to check."""
    if args.folder:
        if args.cfg_options:
            raise ConfigError('--cfg-options goes with a config, not --folder')
        init_default_scope('mmseg')
        images = Path(args.folder) / 'images'
        if not images.is_dir():
            raise DataError(
                f'{args.folder}: there is no folder images/SPLIT in it; for '
                'another layout give a config'
            )
        splits = [
            path.name
            for path in sorted(images.iterdir())
            if path.is_dir() and path.name[0] != '.'
        ]
        if not splits:
            raise DataError(f'{images}: there is no folder of a split in it')
        return {
            split: dict(
                type='NYUDepthDataset',
                data_root=args.folder,
                split=split,
                img_suffix=_suffix(images / split),
                pipeline=_LOADING,
            )
            for split in splits
        }
    cfg = launch.load_config(args.config, args.cfg_options)
    loaders = {
        split: cfg.get(f'{split}_dataloader')
        for split in ('train', 'val', 'test')
    }
    found = {
        split: loader.dataset for split, loader in loaders.items() if loader
    }
    if not found:
        raise ConfigError(f'{args.config}: it names no data set')
    return found


def check(split: str, cfg: Mapping, workers: int) -> list[Sample]:
    """Decode one data set with a progress bar."""
    kind = cfg.get('type')
    kind = DATASETS.get(kind) if isinstance(kind, str) else kind
    settings = {**cfg, 'pipeline': []}
    if isinstance(kind, type) and issubclass(kind, ChosenDataset):
        # A file that is missing is reported as one that is damaged.
        settings['check_files'] = False
    dataset = DATASETS.build(settings)
    steps = loading_steps(cfg.get('pipeline', ()))
    return list(
        tqdm(
            inspect_all(dataset, steps, workers),
            total=len(dataset),
            desc=split,
            unit='picture',
        )
    )


def report(split: str, samples: list[Sample]) -> None:
    """Print a split's figures."""
    good = [sample for sample in samples if sample.problem is None]
    text = f'{split}: {len(samples)} pictures, {len(samples) - len(good)} bad'
    if good:
        near, far = min(s.near for s in good), max(s.far for s in good)
        median = np.median([s.median for s in good])
        valid = np.mean([s.valid for s in good])
        text += (
            f', depth {near:.3g} to {far:.3g} m, median {median:.3g} m, '
            f'{valid:.1%} of the pixels measured'
        )
    print(text)


def main() -> None:
    """Check all data sets."""
    args = parse_args()
    if args.workers < 1:
        raise ConfigError(f'--workers must be 1 or more, got {args.workers}')
    problems: list[str] = []
    checked: dict[str, list[Sample]] = {}
    for split, cfg in data_of(args).items():
        samples: list[Sample] = []
        for part in inner_datasets(cfg):
            try:
                samples += check(split, part, args.workers)
            except DataError as error:
                problems.append(f'{split}: {error}')
        if samples:
            checked[split] = samples
            report(split, samples)
            problems += [s.problem for s in samples if s.problem]
    for one, other in combinations(checked, 2):
        shared = shared_files(checked[one], checked[other])
        problems += [f'{path}: in {one} and in {other}' for path in shared]
    for problem in problems:
        print(f'bad: {problem}')
    if args.manifest:
        manifest = dict(
            problems=problems,
            **{
                split: [sample.to_json() for sample in samples]
                for split, samples in checked.items()
            },
        )
        data = (json.dumps(manifest, indent=1) + '\n').encode()
        write_bytes(Path(args.manifest), data)
    if problems:
        sys.exit(1)


if __name__ == '__main__':
    launch.run_tool(main)
