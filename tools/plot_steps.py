#!/usr/bin/env python
"""Draw results one below the other: ``tools/plot_steps.py --out PNG``."""

import argparse
from pathlib import Path
from typing import Any

# The package comes first: it says what to do where OpenCV does not load.
from llm_mde_mm.apis import launch  # isort: skip

from llm_mde_mm.apis.table_results import read_result
from llm_mde_mm.utils.depth_io import write_picture
from llm_mde_mm.utils.errors import DataError
from llm_mde_mm.visualization.table_plots import step_plot

SCORES = {
    'abs_rel': 'no alignment',
    'abs_rel_median': 'median',
    'abs_rel_affine': 'affine',
}
SPLITS = ('val', 'test')


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Draw the Abs Rel of runs of tools/run_table.py, a line '
        'through the means of steps that each have one or more seeds.'
    )
    parser.add_argument(
        '--step',
        nargs='+',
        action='append',
        required=True,
        metavar=('NAME', 'JSON'),
        help='a step and the results of its seeds; once for each step',
    )
    parser.add_argument(
        '--aim',
        nargs=3,
        action='append',
        default=[],
        metavar=('SPLIT', 'SCORE', 'VALUE'),
        help='a dashed line, such as: test abs_rel_median 0.105',
    )
    parser.add_argument('--title', default='Abs Rel, step by step')
    parser.add_argument('--out', type=Path, required=True, metavar='PNG')
    args = parser.parse_args()
    for name, *paths in args.step:
        if not paths:
            parser.error(f'--step {name!r} has no result: name its JSON files')
    for split, score, value in args.aim:
        if split not in SPLITS or score not in SCORES:
            parser.error(
                f'--aim {split} {score}: of {", ".join(SPLITS)} and '
                f'{", ".join(SCORES)}'
            )
        try:
            float(value)
        except ValueError:
            parser.error(f'--aim {split} {score}: {value!r} is no number')
    return args


def score(result: dict[str, Any], path: str, split: str, key: str) -> float:
    """A score of a result."""
    try:
        return float(result['scores'][split][key])
    except KeyError as error:
        raise DataError(f'{path} has no {key} of {split}') from error


def main() -> None:
    """Read the results and draw them."""
    args = parse_args()
    steps = [
        [(path, read_result(path)) for path in paths]
        for _, *paths in args.step
    ]
    panels = {
        split: {
            name: [
                [score(result, path, split, key) for path, result in step]
                for step in steps
            ]
            for key, name in SCORES.items()
        }
        for split in SPLITS
    }
    aims = {
        (split, SCORES[key]): float(value) for split, key, value in args.aim
    }
    labels = [name for name, *_ in args.step]
    plot = step_plot(labels, panels, 'Abs Rel', args.title, aims)
    write_picture(args.out, plot[..., ::-1])
    print(args.out)


if __name__ == '__main__':
    launch.run_tool(main)
