#!/usr/bin/env python
"""List a few-shot set: ``python tools/make_fewshot.py CONFIG --shots 1``.

The list is for ``subset=dict(list_file=...)`` of the data set.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# The package comes first: it says what to do where OpenCV does not load.
from llm_mde_mm.apis import launch  # isort: skip
from mmengine.config import Config
from mmseg.registry import DATASETS

from llm_mde_mm.datasets.preparation.manifest import write_once
from llm_mde_mm.datasets.splits import split_digest
from llm_mde_mm.utils.errors import ConfigError
from llm_mde_mm.utils.seeding import share_seed


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Write the names of a few-shot set, one a line.'
    )
    parser.add_argument(
        'config', help='config file; its training data are drawn from'
    )
    parser.add_argument('--out', required=True, help='text file to write')
    parser.add_argument(
        '--seed', type=int, help="of the draw; by default the config's own"
    )
    parser.add_argument(
        '--scenes',
        nargs='+',
        metavar='TYPE',
        help='these scene types only: all of their pictures, or those that '
        'another option chooses of them',
    )
    rule = parser.add_mutually_exclusive_group()
    rule.add_argument(
        '--configured',
        action='store_true',
        help="the config's own subset, as a run of it trains on",
    )
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


def rule_of(args: argparse.Namespace, cfg: Config) -> dict:
    """Return the rule of ``subset`` that the arguments describe."""
    if args.configured:
        if args.seed is not None or args.scenes:
            raise ConfigError(
                '--configured takes the subset as it is: leave out --seed and '
                '--scenes, or change the config by --cfg-options'
            )
        rule = cfg.train_dataloader.dataset.get('subset')
        if not rule:
            raise ConfigError(
                f'{args.config}: its training data have no subset to list'
            )
        return dict(rule)
    rule = dict(
        scenes=args.scenes,
        shots=1 if args.one_each_of is not None else args.shots,
        rooms=args.rooms,
        evenly_spaced=(
            args.evenly_spaced
            if args.one_each_of is None
            else args.one_each_of
        ),
        seed=args.seed,
    )
    rule = {key: value for key, value in rule.items() if value is not None}
    if not set(rule) - {'seed'}:
        raise ConfigError(
            'nothing says which pictures: give --shots, --rooms, '
            '--evenly-spaced, --one-each-of, --scenes or --configured'
        )
    if args.seed is not None and not {'shots', 'rooms'} & rule.keys():
        raise ConfigError('--seed goes with a draw: --shots or --rooms')
    cfg.train_dataloader.dataset.subset = rule
    share_seed(cfg)
    return dict(cfg.train_dataloader.dataset.subset)


def chosen_by(dataset_cfg: Mapping, subset: Mapping | None) -> Any:
    """Return the data set that has these pictures."""
    try:
        return DATASETS.build(
            {**dataset_cfg, 'subset': subset, 'pipeline': []}
        )
    except TypeError as error:
        raise ConfigError(
            f'{dataset_cfg["type"]} takes no subset, so there is nothing to '
            f'list: {error}'
        ) from error


def main() -> None:
    """Choose, write and report."""
    args = parse_args()
    cfg = launch.load_config(args.config, args.cfg_options)
    rule = rule_of(args, cfg)
    dataset_cfg = cfg.train_dataloader.dataset
    everything = chosen_by(dataset_cfg, None)
    chosen = chosen_by(dataset_cfg, rule)
    names = chosen.names
    header = (
        f'# {dataset_cfg["type"]}, training data of {Path(args.config).name}',
        f'# rule {json.dumps(rule, default=str)}',
        f'# {len(names)} of {len(everything)} pictures, digest '
        f'{split_digest(names)}',
    )
    out = Path(args.out)
    write_once(
        out,
        ('\n'.join([*header, *names]) + '\n').encode(),
        'move it away, or name another file by --out',
    )
    for line in (*header, *chosen.short_types):
        print(line.removeprefix('# '))
    print(f'list_file: {out}')


if __name__ == '__main__':
    launch.run_tool(main)
