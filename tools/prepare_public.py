#!/usr/bin/env python
"""Lay out small public RGB-D sets: ``python tools/prepare_public.py OUT``."""

import argparse
from pathlib import Path

# The package comes first: it says what to do where OpenCV does not load.
from llm_mde_mm.apis import launch  # isort: skip
from llm_mde_mm.datasets.preparation import prepare_public, read_sets
from llm_mde_mm.datasets.preparation.public_sets import SETS_FILE, PublicSet
from llm_mde_mm.utils.errors import ConfigError


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Lay out the public RGB-D sets of the results.'
    )
    parser.add_argument(
        'out', type=Path, nargs='?', help='folder of the NYU layout'
    )
    parser.add_argument(
        '--sets', nargs='+', metavar='NAME', help='only these; see --list'
    )
    parser.add_argument(
        '--from',
        dest='clones',
        type=Path,
        metavar='FOLDER',
        help='folder of clones of the repositories; nothing is fetched',
    )
    parser.add_argument(
        '--list', action='store_true', help='say what there is, and end'
    )
    parser.add_argument(
        '--no-verify',
        action='store_true',
        help='accept content other than that of the results',
    )
    parser.add_argument(
        '--sets-file',
        type=Path,
        default=SETS_FILE,
        help='description of the sets, in the form of assets/public_sets.json',
    )
    return parser.parse_args()


def describe(one: PublicSet) -> str:
    """Return what a user should know of a set before it is fetched."""
    splits = [frame.split for frame in one]
    counts = ', '.join(f'{splits.count(s)} {s}' for s in one.frames)
    return (
        f'{one.name}: {one.title}; {counts}\n'
        f'    licence: {one.licence}\n'
        f'    cite: {one.citation}\n'
        f'    from: {one.repository} at {one.commit}'
    )


def main() -> None:
    """Prepare."""
    args = parse_args()
    sets = read_sets(args.sets_file, args.sets)
    for one in sets:
        print(describe(one), flush=True)
    if args.list:
        return
    if args.out is None:
        raise ConfigError('no output folder: give OUT, or --list')
    done = prepare_public(args.out, sets, args.clones, not args.no_verify)
    print(
        f'{done["pictures"]} pictures, {done["written"]} files written; '
        f'against the record {done["exact"]} are exact, {done["close"]} '
        f'close, {done["other"]} other: {args.out}'
    )


if __name__ == '__main__':
    launch.run_tool(main)
