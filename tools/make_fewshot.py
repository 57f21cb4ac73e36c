#!/usr/bin/env python
"""List a few-shot set: ``python tools/make_fewshot.py CONFIG --shots 1``.

The list is for ``subset=dict(list_file=...)`` of the data set.
"""

import argparse
import json
from pathlib import Path

# The package comes first: it says what to do where OpenCV does not load.
from llm_mde_mm.apis import launch  # isort: skip
from mmseg.registry import DATASETS

from llm_mde_mm.datasets.splits import split_digest
from llm_mde_mm.utils.depth_io import write_bytes
from llm_mde_mm.utils.errors import ConfigError


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Write the names of a few-shot set, one a line.'
    )
    parser.add_argument(
        'config', help='config file; its training data are drawn from'
    )
    parser.add_argument('--out', required=True, help='text file to write')
    parser.add_argument('--seed', type=int, default=0)
    rule = parser.add_mutually_exclusive_group(required=True)
    rule.add_argument(
        '--shots', type=int, metavar='K', help='K pictures of each scene type'
    )
    rule.add_argument(
        '--one-each-of',
        type=int,
        metavar='N',
        help='one picture from each of N scene types, evenly spaced',
    )
    rule.add_argument(
        '--rooms',
        type=int,
        metavar='N',
        help='one picture from each of N rooms, where a manifest or index '
        'names rooms',
    )
    rule.add_argument(
        '--evenly-spaced',
        type=int,
        metavar='N',
        help='N pictures spread over the sorted names, whatever their type',
    )
    launch.add_cfg_options(parser)
    return parser.parse_args()


def rule_of(args: argparse.Namespace) -> dict:
    """Return the rule of ``subset`` that the arguments describe."""
    if args.shots is not None:
        return dict(shots=args.shots, seed=args.seed)
    if args.one_each_of is not None:
        return dict(shots=1, seed=args.seed, evenly_spaced=args.one_each_of)
    if args.rooms is not None:
        return dict(rooms=args.rooms, seed=args.seed)
    return dict(evenly_spaced=args.evenly_spaced)


def items_of(dataset_cfg: dict, subset: dict | None) -> list[dict]:
    """Return the items that a data set chooses, each with its name."""
    try:
        dataset = DATASETS.build(
            {**dataset_cfg, 'subset': subset, 'pipeline': []}
        )
    except TypeError as error:
        raise ConfigError(
            f'{dataset_cfg["type"]} takes no subset, so there is nothing to '
            f'list: {error}'
        ) from error
    items = [dataset.get_data_info(i) for i in range(len(dataset))]
    for item in items:
        item.setdefault('name', Path(item['img_path']).stem)
    return items


def counts_of(items: list[dict]) -> dict[str, int]:
    """Return the number of pictures of each scene type."""
    scenes = [str(item.get('scene')) for item in items]
    return {scene: scenes.count(scene) for scene in sorted(set(scenes))}


def main() -> None:
    """Choose, write and report."""
    args = parse_args()
    cfg = launch.load_config(args.config, args.cfg_options)
    dataset_cfg = dict(cfg.train_dataloader.dataset)
    rule = rule_of(args)
    everything = items_of(dataset_cfg, None)
    chosen = items_of(dataset_cfg, rule)
    names = [item['name'] for item in chosen]
    header = (
        f'# {dataset_cfg["type"]}, training data of {Path(args.config).name}',
        f'# rule {json.dumps(rule)}',
        f'# {len(names)} of {len(everything)} pictures, digest '
        f'{split_digest(names)}',
    )
    out = Path(args.out)
    write_bytes(out, ('\n'.join([*header, *names]) + '\n').encode())
    for line in header:
        print(line.removeprefix('# '))
    if args.shots is not None:
        for scene, count in counts_of(everything).items():
            if count < args.shots:
                print(f'{scene} has only {count} of {args.shots}')
    print(f'list_file: {out}')


if __name__ == '__main__':
    launch.run_tool(main)
