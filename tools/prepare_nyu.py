#!/usr/bin/env python
"""Prepare NYU Depth v2: ``python tools/prepare_nyu.py mat --download OUT``."""

import argparse
from pathlib import Path

# The package comes first: it says what to do where OpenCV does not load.
from llm_mde_mm.apis import launch  # isort: skip
from llm_mde_mm.datasets.preparation import (
    LABELED_MD5,
    LABELED_SIZE,
    LABELED_URL,
    SPLIT_FILE,
    check_labeled,
    check_request,
    download_file,
    index_tree,
    prepare_labeled,
    read_split,
    write_index,
)
from llm_mde_mm.datasets.preparation.folders import check_space, on_one_disk
from llm_mde_mm.datasets.preparation.nyu_labeled import DEPTHS
from llm_mde_mm.datasets.preparation.nyu_mat import PICTURES, expected_bytes
from llm_mde_mm.utils.errors import ConfigError


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Prepare NYU Depth v2.')
    commands = parser.add_subparsers(dest='command', required=True)
    mat = commands.add_parser(
        'mat', help='write the labelled file in the NYU layout'
    )
    mat.add_argument('out', type=Path, help='folder of the layout')
    mat.add_argument(
        '--mat', type=Path, help='labelled file; OUT/nyu_depth_v2_labeled.mat'
    )
    mat.add_argument(
        '--download', action='store_true', help='fetch the file (3 GB) first'
    )
    mat.add_argument('--url', default=LABELED_URL, help='fetch it from here')
    mat.add_argument(
        '--no-verify',
        action='store_true',
        help='accept a file of another size or checksum',
    )
    mat.add_argument('--depth', choices=DEPTHS, default='filled')
    mat.add_argument(
        '--picture',
        choices=PICTURES,
        default='jpg',
        help='jpg: quality 100, full chroma; png: exact',
    )
    mat.add_argument('--split-file', type=Path, default=SPLIT_FILE)
    index = commands.add_parser(
        'index', help='index a tree as BTS keeps it, in place'
    )
    index.add_argument('root', type=Path, help='the tree')
    index.add_argument('--out', type=Path, help='ROOT/index.json')
    index.add_argument(
        '--list',
        nargs='+',
        action='append',
        default=[],
        metavar=('SPLIT FILE', 'FOLDER'),
        help='list file of a split, and the folder its paths start from',
    )
    index.add_argument(
        '--hashes', action='store_true', help='add the SHA-256 of each file'
    )
    return parser.parse_args()


def prepare_mat(args: argparse.Namespace) -> None:
    """Write the NYU layout."""
    mat = args.mat or args.out / Path(LABELED_URL).name
    split = read_split(args.split_file)
    published = args.download or not args.no_verify
    # Mistakes are told before 3 GB are fetched and hashed.
    check_request(
        args.out, args.depth, args.picture, split if published else None
    )
    digests = None
    if args.download:
        also = expected_bytes(args.out)
        if not on_one_disk(mat.parent, args.out):
            check_space(args.out, also, 'the pictures take about')
            also = 0
        digests = download_file(args.url, mat, LABELED_SIZE, LABELED_MD5, also)
    source = check_labeled(mat, not args.no_verify, digests)
    done = prepare_labeled(
        mat,
        args.out,
        split,
        source,
        depth=args.depth,
        picture=args.picture,
    )
    print(
        f'{done["pictures"]} pictures, {done["written"]} files written: '
        f'{args.out}'
    )


def prepare_index(args: argparse.Namespace) -> None:
    """Write an index."""
    lists = []
    for entry in args.list:
        if len(entry) not in (2, 3):
            raise ConfigError(
                f'--list {" ".join(entry)}: give SPLIT FILE, and perhaps '
                'FOLDER'
            )
        split, path, *folder = entry
        lists.append((split, Path(path), folder[0] if folder else ''))
    items = index_tree(args.root, lists, args.hashes)
    path = args.out or args.root / 'index.json'
    written = write_index(args.root, path, items)
    print(f'{len(items)} pictures: {path}{"" if written else " (unchanged)"}')


def main() -> None:
    """Prepare."""
    args = parse_args()
    (prepare_mat if args.command == 'mat' else prepare_index)(args)


if __name__ == '__main__':
    launch.run_tool(main)
