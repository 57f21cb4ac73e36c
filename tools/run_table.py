#!/usr/bin/env python
"""Run a table of the results: ``python tools/run_table.py table3``."""

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

# The package comes first: it says what to do where OpenCV does not load.
from llm_mde_mm.apis import launch  # isort: skip
from mmengine.logging import MMLogger

from llm_mde_mm.apis.table_files import (
    common_pictures,
    sheet_places,
    write_pages,
    write_sheet,
)
from llm_mde_mm.apis.table_progress import Progress
from llm_mde_mm.apis.table_results import check_current
from llm_mde_mm.apis.table_runs import Setting
from llm_mde_mm.apis.tables import Run, find_rows, make_run
from llm_mde_mm.utils.errors import ConfigError

ROOT = Path(__file__).resolve().parents[1]


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Train and score each row of a table by each seed. What '
        'is finished is skipped, what was cut goes on.'
    )
    parser.add_argument(
        'table', help='folder below configs/tables, or of configs of your own'
    )
    parser.add_argument(
        '--seeds', nargs='+', type=int, default=[0, 1, 2], help='0 1 2'
    )
    parser.add_argument(
        '--rows', nargs='+', metavar='ROW', help='all of the table'
    )
    parser.add_argument('--data-root', help='sets NYU_ROOT')
    parser.add_argument('--vit', help='sets VIT_WEIGHTS')
    parser.add_argument('--llm', help='sets LLM_WEIGHTS')
    parser.add_argument(
        '--base',
        metavar='CONFIG',
        help='what the rows change (configs/llm_mde_three_splits.py)',
    )
    parser.add_argument(
        '--results',
        default='work_dirs/results',
        metavar='DIR',
        help='scores, pages and plots (work_dirs/results)',
    )
    parser.add_argument(
        '--work-dir',
        default='work_dirs/tables',
        metavar='DIR',
        help="the runs' folders (work_dirs/tables)",
    )
    parser.add_argument(
        '--amp', action='store_true', help='train in mixed precision'
    )
    parser.add_argument(
        '--ablate',
        action='store_true',
        help='also test each model with parts of its input taken away',
    )
    parser.add_argument(
        '--jobs', type=int, default=1, help='runs at the same time (1)'
    )
    parser.add_argument(
        '--collect-only',
        action='store_true',
        help='run nothing; make page and plots from the results',
    )
    parser.add_argument(
        '--pictures',
        nargs='+',
        default=(),
        metavar='NAME',
        help='test pictures of the sheet (four, evenly spaced)',
    )
    launch.add_cfg_options(parser)
    return parser.parse_args()


def set_environment(args: argparse.Namespace) -> None:
    """Name data, weights and base where the configs look for them."""
    for name, value in (
        ('NYU_ROOT', args.data_root),
        ('VIT_WEIGHTS', args.vit),
        ('LLM_WEIGHTS', args.llm),
    ):
        if value:
            os.environ[name] = value
    if args.base:
        if not Path(args.base).is_file():
            raise ConfigError(f'--base: there is no config {args.base}')
        os.environ['TABLES_BASE'] = str(Path(args.base).resolve())


def flags_of(args: argparse.Namespace) -> tuple[str, ...]:
    """The arguments that scores depend on, without paths of this machine."""
    flags = ['--amp'] if args.amp else []
    if args.base:
        base = Path(args.base).resolve()
        inside = base.is_relative_to(ROOT)
        name = base.relative_to(ROOT).as_posix() if inside else base.name
        flags += ['--base', name]
    if args.cfg_options:
        pairs = [f'{key}={value}' for key, value in args.cfg_options.items()]
        flags += ['--cfg-options', *pairs]
    return tuple(flags)


def table_folder(name: str) -> Path:
    """The folder of a table that is given by name or path."""
    known = ROOT / 'configs' / 'tables' / name
    return known if known.is_dir() else Path(name)


def tell(line: str) -> None:
    """Print a line at once: threads would come between it and its end."""
    print(f'{line}\n', end='', flush=True)


def draw_sheet(
    args: argparse.Namespace, runs: list[Run], places: dict[str, Path]
) -> None:
    """Draw the rows' predictions of the first seed, where they are kept."""
    variants = {
        run.row: (run.cfg, places[run.name] / 'predictions')
        for run in runs
        if run.seed == args.seeds[0] and run.name in places
    }
    path = Path(args.work_dir) / runs[0].table / 'sheet.png'
    title = f'{runs[0].table}, seed {args.seeds[0]}'
    if write_sheet(path, title, variants, args.pictures):
        print(f'sheet: {path}')


def main() -> None:
    """Run and collect."""
    args = parse_args()
    if args.jobs < 1:
        raise ConfigError(f'--jobs must be 1 or more, got {args.jobs}')
    if args.collect_only and args.pictures:
        raise ConfigError(
            '--collect-only draws no sheet: leave --pictures out'
        )
    # Configs and data sets remark on themselves, once a run.
    MMLogger.get_current_instance().setLevel('WARNING')
    set_environment(args)
    folder = table_folder(args.table)
    paths = find_rows(folder, args.rows)
    name = folder.resolve().name
    results = Path(args.results) / name
    runs = [
        make_run(path, seed, args.cfg_options, args.amp)
        # A whole table by one seed comes before the next seed.
        for seed in dict.fromkeys(args.seeds)
        for path in paths
    ]
    check_current(folder, results, args.cfg_options, args.amp)
    if args.pictures:
        first = [run.cfg for run in runs if run.seed == args.seeds[0]]
        sheet_places(common_pictures(first), args.pictures)
    failed: list[str] = []
    setting = Setting(
        ROOT / 'tools',
        Path(args.work_dir),
        args.amp,
        args.ablate,
        flags_of(args),
        args.jobs,
    )
    progress = Progress(setting, args.results, tell)
    if not args.collect_only:
        failed = progress.make_all(runs)
    files = write_pages(name, results)
    for path in files:
        print(path)
    if not args.collect_only:
        draw_sheet(args, runs, progress.places)
    if failed:
        sys.exit(f'{len(failed)} runs failed: {", ".join(failed)}')
    if not files:
        raise ConfigError(f'--collect-only: there is no result in {results}')


def raise_interrupt(*_: object) -> NoReturn:
    """Let SIGTERM end the tool as Ctrl-C does, once."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # Not SIG_IGN, which a tool that only then starts would inherit.
        signal.signal(number, lambda *_: None)
    raise KeyboardInterrupt


if __name__ == '__main__':
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, raise_interrupt)
    try:
        launch.run_tool(main)
    except KeyboardInterrupt:
        sys.exit('stopped; the same command goes on')
