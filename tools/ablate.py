#!/usr/bin/env python
"""Take parts from a trained model: ``tools/ablate.py CONFIG CHECKPOINT``."""

import argparse

# The package comes first: it says what to do where OpenCV does not load.
from llm_mde_mm.apis import launch  # isort: skip

from llm_mde_mm.apis.ablation import ABLATIONS, run_ablations
from llm_mde_mm.evaluation.report import write_report
from llm_mde_mm.utils.checkpoint import find_checkpoint, load_model


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Test a model as it is, and where its patch or prompt '
        'states say nothing of the picture.'
    )
    parser.add_argument('config', help='config file')
    parser.add_argument(
        'checkpoint', help='checkpoint, or the work dir of a run (its best)'
    )
    parser.add_argument(
        '--ablations',
        nargs='+',
        choices=ABLATIONS,
        help='by default all that can change something in this model',
    )
    parser.add_argument('--out', metavar='JSON', help='write the scores here')
    parser.add_argument('--work-dir', help='folder of the log')
    launch.add_cfg_options(parser)
    # One process: the mean is over all pictures, the prompts go in order.
    parser.set_defaults(launcher='none', local_rank=0)
    return parser.parse_args()


def main() -> None:
    """Test once for each ablation."""
    args = parse_args()
    cfg = launch.tool_config(args)
    checkpoint = find_checkpoint(args.checkpoint)
    launch.check_data(cfg, ('train', 'test'))
    # The weights are read below, without running code that a file may hold.
    cfg.load_from, cfg.resume = None, False
    runner = launch.build_runner(cfg)
    load_model(runner.model, checkpoint, cfg)
    runner.logger.info(f'checkpoint: {checkpoint}')
    reports = run_ablations(runner, args.ablations)
    for name, report in reports.items():
        print(f'{name:14} abs_rel {report["abs_rel"]:.4f}  {report["what"]}')
    if args.out:
        write_report(args.out, reports)
        runner.logger.info(f'scores: {args.out}')


if __name__ == '__main__':
    launch.run_tool(main)
