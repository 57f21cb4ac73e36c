#!/usr/bin/env python
"""Time a model: ``python tools/benchmark.py CONFIG --floor``."""

import argparse
import json
from pathlib import Path

# The package comes first: it says what to do where OpenCV does not load.
from llm_mde_mm.apis import launch  # isort: skip
import torch
from mmengine.config import Config

from llm_mde_mm.apis.benchmark import Settings, benchmark
from llm_mde_mm.apis.depth_inferencer import DTYPES
from llm_mde_mm.utils.depth_io import write_bytes
from llm_mde_mm.utils.errors import WeightsError


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Latency, memory and cost of a model on random pictures.'
    )
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--input-size',
        nargs=2,
        type=int,
        default=(480, 640),
        metavar=('H', 'W'),
        help='size of the pictures in and of the depth out (480 640)',
    )
    parser.add_argument('--batch-size', type=int, default=8)
    parser.add_argument('--dtype', choices=DTYPES, default='fp32')
    parser.add_argument(
        '--compile', action='store_true', help='use torch.compile'
    )
    parser.add_argument(
        '--train', action='store_true', help='time a training step'
    )
    parser.add_argument(
        '--floor',
        action='store_true',
        help='also time the bare vision and language model, in turn with it',
    )
    parser.add_argument('--repeats', type=int, default=7)
    parser.add_argument('--threads', type=int, help='CPU threads')
    parser.add_argument('--json', metavar='FILE', help='write the figures')
    launch.add_cfg_options(parser)
    return parser.parse_args()


def measure(cfg: Config, args: argparse.Namespace) -> dict:
    """The figures, with random weights where there are no others."""
    settings = Settings(
        tuple(args.input_size),
        args.batch_size,
        args.dtype,
        args.compile,
        args.train,
        args.repeats,
    )
    try:
        return benchmark(cfg, settings, args.floor)
    except WeightsError as error:
        print(f'random weights of the same size are timed: {error}')
    cfg.model.backbone.vision.weights = 'random'
    cfg.model.backbone.language.weights = 'random'
    cfg.model.data_preprocessor.weights = 'random'
    return benchmark(cfg, settings, args.floor)


def main() -> None:
    """Measure, print and write."""
    args = parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    cfg = launch.load_config(args.config, args.cfg_options)
    figures = measure(cfg, args)
    for name, value in figures.items():
        if name != 'parts':
            print(f'{name:22} {value:,.4g}')
    for name, share in figures['parts'].items():
        print(f'  {name:26} {share:6.1%}')
    if args.json:
        write_bytes(
            Path(args.json), (json.dumps(figures, indent=2) + '\n').encode()
        )


if __name__ == '__main__':
    launch.run_tool(main)
