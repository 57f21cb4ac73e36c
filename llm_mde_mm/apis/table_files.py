"""Files made of a table's results: page, CSV, plots and a sheet."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.config import Config
from mmseg.registry import DATASETS

from llm_mde_mm.datasets.listing import (
    common_folder,
    picture_names,
    picture_paths,
)
from llm_mde_mm.utils.depth_io import write_bytes, write_picture
from llm_mde_mm.utils.errors import DataError
from llm_mde_mm.visualization.table_plots import bar_plot, curve_plot
from llm_mde_mm.visualization.variant_sheet import VariantRow, variant_sheet

from .table_markdown import markdown
from .table_pages import (
    Row,
    ablation_bars,
    csv_text,
    curve_lines,
    group_rows,
    same_digests,
    series_of,
)
from .table_results import read_results

_SPLITS = ('val', 'test')
_PLOTTED = dict(
    abs_rel='Abs Rel, no alignment', abs_rel_median='Abs Rel, median-aligned'
)
_MILLIMETRE = np.float32(1000)


# Where tools/fit_ridge_probe.py leaves scores for the page.
_PROBE = 'ridge_probe.json'


def write_pages(table: str, folder: str | Path) -> list[Path]:
    """Write ``table.md``, ``table.csv`` and the plots beside the results.

    Args:
        table (str): Name of the table.
        folder (str | Path): Of its results, and of ``ridge_probe.json``,
            the scores of ``tools/fit_ridge_probe.py``, if there are any;
            where its pictures are others, they are left out.

    Returns:
        list[Path]: The files, none where there is no result.

    Raises:
        DataError: If one of the results is damaged.
    """
    folder = Path(folder)
    rows = group_rows(read_results(folder))
    if not rows:
        return []
    plots = _plots(table, rows)
    page = markdown(table, rows, _probe(folder / _PROBE, rows))
    page += ''.join(f'\n![{name}]({name}.png)\n' for name in plots)
    texts = {'table.md': page, 'table.csv': csv_text(rows)}
    for name, text in texts.items():
        write_bytes(folder / name, text.encode())
    for name, plot in plots.items():
        write_picture(folder / f'{name}.png', plot[..., ::-1])
    return [folder / name for name in (*texts, *(f'{p}.png' for p in plots))]


def _probe(path: Path, rows: Sequence[Row]) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        probe = dict(json.loads(path.read_text()))
        pictures = probe.get('splits', {})
        return {
            split: probe[split]
            for split in _SPLITS
            if split in probe
            and same_digests(rows, split, pictures.get(split))
        }
    except (ValueError, TypeError) as error:
        raise DataError(
            f'{path} is damaged ({error}): make it again by '
            'tools/fit_ridge_probe.py --out'
        ) from error


def _plots(table: str, rows: Sequence[Row]) -> dict[str, np.ndarray]:
    names = [row.name for row in rows]
    plots = {}
    for key, axis in _PLOTTED.items():
        panels = {
            split: [row.values('scores', split, key) for row in rows]
            for split in _SPLITS
        }
        plots[f'bars_{key}'] = bar_plot(names, panels, axis, table)
        for name, part in series_of(rows).items():
            lines = curve_lines(part, _SPLITS, key)
            if lines:
                plots[f'{name}_{key}'] = curve_plot(lines, axis, table)
        taken = ablation_bars(rows, _SPLITS, key)
        if taken:
            labels, panels = taken
            plots[f'ablations_{key}'] = bar_plot(labels, panels, axis, table)
    return plots


def common_pictures(configs: Iterable[Config]) -> list[str]:
    """Names of the test pictures that all configs have, in one's order."""
    lists = [picture_names(_test_set(cfg)) for cfg in configs]
    return [n for n in lists[0] if all(n in other for other in lists[1:])]


def _test_set(cfg: Config) -> Any:
    return DATASETS.build(cfg.test_dataloader.dataset)


def sheet_places(
    names: Sequence[str], chosen: Iterable[str] = (), count: int = 4
) -> list[int]:
    """Places of the pictures of a sheet.

    Args:
        names (Sequence[str]): Names of all test pictures.
        chosen (Iterable[str]): Names to take; evenly spaced ones by default.
        count (int): How many are evenly spaced.

    Raises:
        DataError: If a chosen picture does not exist.
    """
    chosen = list(chosen)
    missing = sorted(set(chosen) - set(names))
    if missing:
        raise DataError(f'no test picture is called {", ".join(missing)}')
    if chosen:
        return [list(names).index(name) for name in chosen]
    count = min(count, len(names))
    return [i * len(names) // count for i in range(count)]


def write_sheet(
    path: Path,
    title: str,
    variants: Mapping[str, tuple[Config, Path]],
    chosen: Iterable[str] = (),
) -> bool:
    """Draw pictures that all rows are tested on, truth and predictions.

    Args:
        path (Path): PNG to write.
        title (str): Line above the sheet.
        variants (Mapping[str, tuple[Config, Path]]): By row, its config,
            which names the test pictures, and the folder that
            ``tools/test.py --save-predictions`` filled; rows without such a
            folder are left out.
        chosen (Iterable[str]): Names of pictures; evenly spaced ones by
            default.

    Returns:
        bool: Whether there is a sheet: a row has predictions, and all such
        rows a picture in common.

    Raises:
        DataError: If a chosen picture does not exist, or a prediction is
            missing or damaged.
    """
    there = {row: v for row, v in variants.items() if v[1].is_dir()}
    if not there:
        return False
    common = common_pictures(cfg for cfg, _ in there.values())
    if not common:
        return False
    names = [common[place] for place in sheet_places(common, chosen)]
    depths = {row: _depths(*variant, names) for row, variant in there.items()}
    dataset = _test_set(next(iter(there.values()))[0])
    places = {name: i for i, name in enumerate(picture_names(dataset))}
    rows = [
        _row(
            dataset[places[name]],
            {row: found[name] for row, found in depths.items()},
            name,
        )
        for name in names
    ]
    write_picture(path, variant_sheet(rows, title)[..., ::-1])
    return True


def _depths(
    cfg: Config, folder: Path, names: Sequence[str]
) -> dict[str, np.ndarray]:
    """Predictions of some pictures of a row, by name."""
    dataset = _test_set(cfg)
    root = common_folder(dataset) or ''
    found = zip(picture_names(dataset), picture_paths(dataset), strict=True)
    paths = dict(found)
    return {
        name: _depth(
            folder / paths[name].relative_to(root).with_suffix('.png')
        )
        for name in names
    }


def _depth(path: Path) -> np.ndarray:
    stored = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if stored is None:
        raise DataError(
            f'{path} is missing or damaged: delete the result of its run, '
            'which is then tested again'
        )
    return stored.astype(np.float32) / _MILLIMETRE


def _row(item: dict, preds: dict, caption: str) -> VariantRow:
    gt = item['data_samples'].gt_depth_map.data[0].numpy()
    bgr = item['inputs'].permute(1, 2, 0).numpy()
    # The pipeline has resized the picture; its depth has its own size.
    size = gt.shape[::-1]
    rgb = cv2.resize(bgr, size, interpolation=cv2.INTER_LINEAR)[..., ::-1]
    return VariantRow(np.ascontiguousarray(rgb), gt, preds, caption)
