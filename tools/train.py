#!/usr/bin/env python
"""Train a model: ``python tools/train.py configs/llm_mde_nyu_fewshot.py``.

A signal (Ctrl-C, SIGTERM, SIGUSR1) ends it after a step with exit code 75, a
checkpoint, and the command to go on.
"""

import argparse

# The package comes first: it says what to do where OpenCV does not load.
from llm_mde_mm.apis import launch  # isort: skip


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = launch.tool_parser('Train a depth model.', can_rerun=True)
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CKPT',
        help='go on from a checkpoint, by default the last one of the run',
    )
    parser.add_argument(
        '--amp', action='store_true', help='train in mixed precision'
    )
    return parser.parse_args()


def main() -> None:
    """Train."""
    args = parse_args()
    cfg = launch.tool_config(args)
    if args.amp:
        launch.use_amp(cfg)
    if args.resume:
        launch.go_on(cfg, args.resume)
    launch.check_data(cfg, ('train', 'val'))
    launch.build_runner(cfg).train()


if __name__ == '__main__':
    launch.run_tool(main)
