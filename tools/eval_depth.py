#!/usr/bin/env python
"""Score depth files: ``python tools/eval_depth.py PRED_DIR GT_DIR``."""

import argparse
from typing import Any

# The package comes first: it says what to do where OpenCV does not load.
from llm_mde_mm.apis import launch  # isort: skip
from tqdm import tqdm

from llm_mde_mm.evaluation import PROTOCOLS, MonocularDepthMetric
from llm_mde_mm.evaluation.alignment import ALIGNMENTS
from llm_mde_mm.evaluation.functional import CROPS
from llm_mde_mm.evaluation.protocols import AVERAGES, CHANGEABLE, PREDICTIONS
from llm_mde_mm.evaluation.report import write_report
from llm_mde_mm.evaluation.saved import pair_saved, read_saved


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Score predicted depth files of any system by the code '
        'that tools/test.py uses. Files are 16-bit PNG, npy or pfm, and pair '
        'by name.'
    )
    parser.add_argument('pred_dir', help='folder of the predictions')
    parser.add_argument(
        'gt_dir', help='folder of the ground truth, 0 = no measurement'
    )
    parser.add_argument(
        '--protocol', default='nyu', help=f'of {", ".join(PROTOCOLS)} (nyu)'
    )
    add_changes(parser)
    for kind in ('pred', 'gt'):
        parser.add_argument(
            f'--{kind}-scale',
            type=float,
            metavar='METRES',
            help='metres a stored unit (PNG 0.001, else 1)',
        )
        parser.add_argument(
            f'--{kind}-suffix',
            metavar='END',
            help='how file names end, such as .npy; the rest pairs',
        )
    parser.add_argument(
        '--constant-baseline',
        action='store_true',
        help='also score the best constant depth in hindsight',
    )
    parser.add_argument(
        '--bootstrap',
        type=int,
        default=1000,
        metavar='N',
        help='resamples of the 95 %% intervals, 0 for none (1000)',
    )
    parser.add_argument('--out', metavar='JSON', help='write the scores here')
    return parser.parse_args()


def add_changes(parser: argparse.ArgumentParser) -> None:
    """Add the keys of a protocol; those not given stay the preset's."""
    group = parser.add_argument_group('keys of the protocol, to change it')

    def add(option: str, **kwargs) -> None:
        group.add_argument(option, default=argparse.SUPPRESS, **kwargs)

    add('--min-depth', type=float, metavar='METRES')
    add('--max-depth', type=float, metavar='METRES')
    add('--crop', choices=[name or 'none' for name in CROPS])
    add(
        '--alignment',
        nargs='+',
        choices=ALIGNMENTS,
        help='the first has plain names in the JSON, others a suffix',
    )
    add('--no-clamp', action='store_false', dest='clamp')
    add('--average', choices=AVERAGES)
    add(
        '--predictions',
        choices=PREDICTIONS,
        help='what the files hold; disparity needs no scale',
    )


def protocol_changes(args: argparse.Namespace) -> dict[str, Any]:
    """The keys of the protocol that were given."""
    changes = {
        key: getattr(args, key) for key in CHANGEABLE if hasattr(args, key)
    }
    if changes.get('crop') == 'none':
        changes['crop'] = None
    return changes


def main() -> None:
    """Pair, score and write."""
    args = parse_args()
    metric = MonocularDepthMetric(
        args.protocol,
        args.constant_baseline,
        args.bootstrap,
        **protocol_changes(args),
    )
    pairs = pair_saved(
        args.pred_dir, args.gt_dir, args.pred_suffix, args.gt_suffix
    )
    for pair in tqdm(pairs, unit='picture'):
        sample = read_saved(pair, args.pred_scale, args.gt_scale)
        metric.process(None, [sample])
    metric.evaluate(len(pairs))
    if args.out:
        write_report(args.out, metric.report())
        print(f'scores: {args.out}')


if __name__ == '__main__':
    launch.run_tool(main)
