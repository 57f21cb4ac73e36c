#!/usr/bin/env python
"""Test a model: ``python tools/test.py CONFIG CHECKPOINT``."""

import argparse
from pathlib import Path

# The package comes first: it says what to do where OpenCV does not load.
from llm_mde_mm.apis import launch  # isort: skip
from mmengine.dist import is_main_process
from mmengine.runner import Runner

from llm_mde_mm.datasets.listing import describe_split
from llm_mde_mm.engine.gradients import bare_model
from llm_mde_mm.evaluation.report import collect_reports, write_report
from llm_mde_mm.utils.checkpoint import find_checkpoint, load_model
from llm_mde_mm.utils.run_record import RECORD, read_record


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = launch.tool_parser('Test a depth model.')
    parser.add_argument(
        'checkpoint', help='checkpoint, or the work dir of a run (its best)'
    )
    parser.add_argument('--out', metavar='JSON', help='write the scores here')
    parser.add_argument(
        '--show-dir', metavar='DIR', help='write a comparison sheet here'
    )
    parser.add_argument(
        '--save-predictions',
        metavar='DIR',
        help='write each prediction here, as uint16 PNG in millimetres',
    )
    parser.add_argument(
        '--flip-tta',
        action='store_true',
        help="average with the mirrored picture's depth, in twice the time",
    )
    return parser.parse_args()


def splits_of(runner: Runner, trained: dict) -> dict:
    """Size and digest of the pictures tested, and of those trained on."""
    dataset = runner.test_dataloader.dataset
    return {**trained, 'test': describe_split(dataset)}


def main() -> None:
    """Test."""
    args = parse_args()
    cfg = launch.tool_config(args)
    if args.flip_tta:
        launch.use_flip_tta(cfg)
    hooks = cfg.setdefault('custom_hooks', [])
    if args.show_dir:
        hooks.append(
            dict(
                type='ComparisonSheetHook',
                out_dir=args.show_dir,
                title=Path(args.config).stem,
            )
        )
    if args.save_predictions:
        hooks.append(
            dict(type='SavePredictionsHook', out_dir=args.save_predictions)
        )
    checkpoint = find_checkpoint(args.checkpoint)
    record = checkpoint.parent / RECORD
    trained = read_record(record.parent) if record.is_file() else {}
    launch.check_data(cfg, ('test',))
    if cfg.get('runner_type') == 'ShardedRunner':
        # What was trained in shares is one file, and tested whole.
        cfg.runner_type = 'DepthRunner'
    # The weights are read below, without running code that a file may hold.
    cfg.load_from, cfg.resume = None, False
    runner = launch.build_runner(cfg)
    load_model(bare_model(runner), checkpoint, cfg)
    runner.logger.info(f'checkpoint: {checkpoint}')
    scores = runner.test()
    if args.out and is_main_process():
        report = dict(scores)
        report.update(collect_reports(runner.test_loop.evaluator.metrics))
        report['splits'] = splits_of(runner, trained.get('splits', {}))
        write_report(args.out, report)
        runner.logger.info(f'scores: {args.out}')


if __name__ == '__main__':
    launch.run_tool(main)
