"""Files made of a table's results: page, CSV, plots and a sheet."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.config import Config
from mmseg.registry import DATASETS

from llm_mde_mm.datasets.listing import common_folder, picture_paths
from llm_mde_mm.utils.depth_io import write_bytes, write_picture
from llm_mde_mm.utils.errors import DataError
from llm_mde_mm.visualization.table_plots import bar_plot, curve_plot
from llm_mde_mm.visualization.variant_sheet import VariantRow, variant_sheet

from .table_markdown import markdown
from .table_pages import Row, csv_text, curve_lines, group_rows, series_of
from .table_results import read_results

_SPLITS = ('val', 'test')
_PLOTTED = dict(
    abs_rel='Abs Rel, no alignment', abs_rel_median='Abs Rel, median-aligned'
)
_MILLIMETRE = np.float32(1000)


def write_pages(table: str, folder: str | Path) -> list[Path]:
    """Write ``table.md``, ``table.csv`` and the plots beside the results.

    Args:
        table (str): Name of the table.
        folder (str | Path): Of its results.

    Returns:
        list[Path]: The files, none where there is no result.
    """
    folder = Path(folder)
    rows = group_rows(read_results(folder))
    if not rows:
        return []
    plots = _plots(table, rows)
    page = markdown(table, rows)
    page += ''.join(f'\n![{name}]({name}.png)\n' for name in plots)
    texts = {'table.md': page, 'table.csv': csv_text(rows)}
    for name, text in texts.items():
        write_bytes(folder / name, text.encode())
    for name, plot in plots.items():
        write_picture(folder / f'{name}.png', plot[..., ::-1])
    return [folder / name for name in (*texts, *(f'{p}.png' for p in plots))]


def _plots(table: str, rows: Sequence[Row]) -> dict[str, np.ndarray]:
    labels = [row.name for row in rows]
    plots = {}
    for key, axis in _PLOTTED.items():
        panels = {
            split: [row.values('scores', split, key) for row in rows]
            for split in _SPLITS
        }
        plots[f'bars_{key}'] = bar_plot(labels, panels, axis, table)
        for name, part in series_of(rows).items():
            lines = curve_lines(part, _SPLITS, key)
            plots[f'{name}_{key}'] = curve_plot(lines, axis, table)
    return plots


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
    cfg: Config,
    predictions: dict[str, Path],
    chosen: Iterable[str] = (),
) -> bool:
    """Draw test pictures beside truth and each row's prediction.

    Args:
        path (Path): PNG to write.
        title (str): Line above the sheet.
        cfg (Config): Of a row: names the test pictures.
        predictions (dict[str, Path]): By row, the folder that
            ``tools/test.py --save-predictions`` filled; those that do not
            exist are left out.
        chosen (Iterable[str]): Names of pictures; evenly spaced ones by
            default.

    Returns:
        bool: Whether any row has predictions, and there is a sheet.

    Raises:
        DataError: If a chosen picture does not exist, or a prediction is
            missing or damaged.
    """
    there = {name: p for name, p in predictions.items() if p.is_dir()}
    if not there:
        return False
    dataset: Any = DATASETS.build(cfg.test_dataloader.dataset)
    paths = picture_paths(dataset)
    root = common_folder(dataset)
    rows = []
    for place in sheet_places([p.stem for p in paths], chosen):
        name = paths[place].relative_to(root or '').with_suffix('.png')
        preds = {row: _depth(p / name) for row, p in there.items()}
        rows.append(_row(dataset[place], preds, paths[place].stem))
    write_picture(path, variant_sheet(rows, title)[..., ::-1])
    return True


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
