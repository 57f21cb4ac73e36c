#!/usr/bin/env python
"""Fit and score a linear baseline: ``tools/fit_ridge_probe.py CONFIG``."""

# The package comes first: it says what to do where OpenCV does not load.
from llm_mde_mm.apis import launch  # isort: skip

from llm_mde_mm.apis.ridge_probe import PENALTIES, fit_ridge_probe
from llm_mde_mm.apis.tables import describe_splits
from llm_mde_mm.evaluation.report import write_report


def main() -> None:
    """Fit on train, choose on val, score both splits."""
    parser = launch.tool_parser(
        'Ridge regression of log depth on the patch tokens of a frozen vision '
        'model: fitted on train, its penalty chosen on val.',
        one_process=True,
    )
    parser.add_argument(
        '--penalties', nargs='+', type=float, default=PENALTIES
    )
    parser.add_argument('--out', metavar='JSON', help='write the scores here')
    args = parser.parse_args()
    cfg = launch.tool_config(args)
    launch.check_data(cfg, ('train', 'val', 'test'))
    reports = fit_ridge_probe(launch.build_runner(cfg), args.penalties)
    print(f'penalty {reports["val"]["penalty"]:g}')
    for split, report in reports.items():
        print(f'{split:5} abs_rel {report["abs_rel"]:.4f}')
    if args.out:
        write_report(args.out, {**reports, 'splits': describe_splits(cfg)})


if __name__ == '__main__':
    launch.run_tool(main)
