#!/usr/bin/env python
"""Time a model: ``python tools/benchmark.py CONFIG --floor``."""

import argparse
import json
import sys
from contextlib import redirect_stdout
from pathlib import Path

# The package comes first: it says what to do where OpenCV does not load.
from llm_mde_mm.apis import launch  # isort: skip
import torch
from mmengine.logging import MMLogger

from llm_mde_mm.apis.benchmark import Settings, benchmark
from llm_mde_mm.apis.depth_inferencer import DTYPES
from llm_mde_mm.engine.depth_runner import quieten
from llm_mde_mm.utils.depth_io import write_bytes
from llm_mde_mm.utils.errors import ConfigError, WeightsError


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Latency, memory and cost of a model.'
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
    parser.add_argument(
        '--pictures',
        metavar='PATH',
        help='a picture or a folder of them, in place of random ones',
    )
    parser.add_argument(
        '--checkpoint', help='trained weights, or the work dir of a run'
    )
    parser.add_argument(
        '--json',
        nargs='?',
        const='-',
        metavar='FILE',
        help='write the figures to a file, or alone to the standard output',
    )
    launch.add_cfg_options(parser)
    return parser.parse_args()


def measure(args: argparse.Namespace) -> dict:
    """The figures, with random weights where there are no others."""
    cfg = launch.load_config(args.config, args.cfg_options)
    settings = Settings(
        tuple(args.input_size),
        args.batch_size,
        args.dtype,
        args.compile,
        args.train,
        args.repeats,
        args.pictures,
        args.checkpoint,
    )
    quieten(MMLogger.get_current_instance())
    try:
        return benchmark(cfg, settings, args.floor)
    except WeightsError as error:
        if args.checkpoint:
            raise
        print(
            f'random weights of the same size are timed: {error}',
            file=sys.stderr,
        )
    backbone = cfg.model.backbone
    parts = (backbone.vision, backbone.get('language'))
    for part in (*parts, cfg.model.data_preprocessor):
        if part is not None:
            part.weights = 'random'
    return benchmark(cfg, settings, args.floor)


def show(figures: dict) -> None:
    """Print a table."""
    for name, value in figures.items():
        if name != 'parts':
            is_word = isinstance(value, bool | str)
            shown = value if is_word else f'{value:,.4g}'
            print(f'{name:22} {shown}')
    for name, share in figures['parts'].items():
        print(f'  {name:26} {share:6.1%}')


def main() -> None:
    """Measure, print and write."""
    args = parse_args()
    if args.threads is not None and args.threads < 1:
        raise ConfigError(f'--threads must be 1 or more, got {args.threads}')
    if args.threads:
        torch.set_num_threads(args.threads)
    only_json = args.json == '-'
    # Libraries print and log to the standard output.
    with redirect_stdout(sys.stderr if only_json else sys.stdout):
        figures = measure(args)
    text = json.dumps(figures, indent=2) + '\n'
    if only_json:
        sys.stdout.write(text)
        return
    show(figures)
    if args.json:
        write_bytes(Path(args.json), text.encode())


if __name__ == '__main__':
    launch.run_tool(main)
