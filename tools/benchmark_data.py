#!/usr/bin/env python
"""Time the training data: ``python tools/benchmark_data.py CONFIG``."""

import argparse
import json
from pathlib import Path

# The package comes first: it says what to do where OpenCV does not load.
from llm_mde_mm.apis import launch  # isort: skip
from llm_mde_mm.apis.data_benchmark import benchmark_data, workers_needed
from llm_mde_mm.utils.depth_io import write_bytes


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Pictures a second of the training pipeline, and the '
        'loader processes that a training step takes.'
    )
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--consumption',
        nargs='+',
        type=float,
        default=[],
        metavar='RATE',
        help='pictures a second that a training step takes: images_per_s of '
        'tools/benchmark.py --train',
    )
    parser.add_argument(
        '--workers',
        nargs='+',
        type=int,
        default=[],
        metavar='N',
        help='also time the loader with N processes',
    )
    parser.add_argument('--num', type=int, default=32, help='pictures a round')
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--json', metavar='FILE', help='write the figures')
    launch.add_cfg_options(parser)
    args = parser.parse_args()
    if min(args.consumption, default=1) <= 0:
        parser.error('--consumption takes rates above 0')
    return args


def main() -> None:
    """Measure, print and write."""
    args = parse_args()
    cfg = launch.load_config(args.config, args.cfg_options)
    figures = benchmark_data(cfg, args.workers, args.rounds, args.num)
    rate = figures['pictures_per_s']
    print(f'one process: {rate:.1f} pictures a second')
    for name, share in figures['steps'].items():
        print(f'  {name:26} {share:6.1%}')
    if 'cached_ratio' in figures:
        print(f'with every picture kept: {figures["cached_ratio"]:.2f} of it')
        print(f'hashing its files: {figures["hashing_ratio"]:.3f} of it')
    for count, measured in figures['loaders'].items():
        print(f'loader, {count} processes: {measured:.1f} pictures a second')
    figures['workers_needed'] = {}
    for consumption in args.consumption:
        needed = workers_needed(consumption, rate)
        figures['workers_needed'][consumption] = needed
        print(f'{consumption:g} pictures a second take {needed} processes')
    if args.json:
        data = (json.dumps(figures, indent=2) + '\n').encode()
        write_bytes(Path(args.json), data)


if __name__ == '__main__':
    launch.run_tool(main)
