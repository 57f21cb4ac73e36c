#!/usr/bin/env python
"""Train a model: ``python tools/train.py configs/llm_mde_nyu_fewshot.py``."""

import argparse

# The package comes first: it says what to do where OpenCV does not load.
from llm_mde_mm.apis import launch  # isort: skip
from mmengine.config import DictAction


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Train a depth model.')
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', help='folder of logs and checkpoints')
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
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='override the config, e.g. optim_wrapper.optimizer.lr=1e-4',
    )
    parser.add_argument('--launcher', choices=launch.LAUNCHERS, default='none')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)
    return parser.parse_args()


def main() -> None:
    """Train."""
    args = parse_args()
    cfg = launch.load_config(args.config, args.cfg_options)
    launch.set_launcher(cfg, args.launcher, args.local_rank)
    if args.work_dir:
        cfg.work_dir = args.work_dir
    if args.amp:
        launch.use_amp(cfg)
    if args.resume:
        cfg.resume = True
        cfg.load_from = None if args.resume == 'auto' else args.resume
    launch.check_data(cfg, ('train', 'val'))
    launch.build_runner(cfg).train()


if __name__ == '__main__':
    launch.run_tool(main)
