"""Plots of results: bars, curves over pictures, curves over steps."""

import statistics
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from .canvas import INK, Canvas

_COLOURS = ('#2f6fab', '#c8553d', '#4f8f4f', '#8a63a8', '#b08a2e')
# Sizes in pixels.
_MARGIN, _TITLE, _AXIS = 24, 56, 64
_BAR, _LABEL, _PANEL, _GAP = 34, 210, 330, 48
_CURVE = (760, 440)
_STEP, _STEP_LABEL, _STEP_PANEL = 30, 330, 220
_LETTER = 7.5


def bar_plot(
    labels: Sequence[str],
    panels: Mapping[str, Sequence[Sequence[float]]],
    axis: str,
    title: str,
) -> np.ndarray:
    """Draw a horizontal bar a row, one panel a split.

    A bar ends at the mean; its whisker is one standard deviation over the
    seeds to either side, and each seed is a point. One value has no whisker.

    Args:
        labels (Sequence[str]): Names of R rows, the first on top.
        panels (Mapping[str, Sequence[Sequence[float]]]): By split, the values
            of each of the R rows, one a seed; empty where there is none.
        axis (str): What the values are.
        title (str): Line above the plot.

    Returns:
        ndarray: RGB ``(H, W, 3)``, uint8.

    Raises:
        ValueError: If there is no row or no panel, or their numbers differ.
    """
    if not labels or not panels:
        raise ValueError('a plot needs at least one row and one panel')
    if any(len(rows) != len(labels) for rows in panels.values()):
        raise ValueError('each panel needs the values of each row')
    height = _BAR * len(labels)
    beside = _beside(labels, _LABEL)
    width = beside + len(panels) * (_PANEL + _GAP)
    canvas = Canvas(width, _TITLE + height + _AXIS + _MARGIN)
    canvas.text(_MARGIN, 14, title, 13, weight='bold')
    for column, (name, rows) in enumerate(panels.items()):
        left = beside + column * (_PANEL + _GAP)
        axes = canvas.axes(left, _TITLE + 18, _PANEL, height)
        for place, values in enumerate(rows):
            _bar(axes, place, values)
        _name_rows(axes, labels, column == 0)
        axes.set_xlim(left=0)
        axes.set_title(name, fontsize=11, color=INK)
        _finish(axes, 'x', axis)
    return canvas.render()


def _bar(axes, place: int, values: Sequence[float]) -> None:
    if not values:
        return
    axes.barh(place, statistics.fmean(values), 0.62, color='#b9cde0')
    _seeds(axes, place, values)


def _seeds(axes, place: int, values: Sequence[float]) -> None:
    """A row's mean with its spread, and each seed."""
    _point(axes, statistics.fmean(values), place, values, 'x', _COLOURS[0])
    axes.plot(values, [place] * len(values), '.', color=INK, markersize=4)


def _beside(labels: Sequence[str], least: int) -> int:
    """Width for the names of rows."""
    return max(least, round(_MARGIN + _LETTER * max(map(len, labels))))


def _name_rows(axes, labels: Sequence[str], shown: bool) -> None:
    """Rows from the top down, their names beside them if they are shown."""
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_yticks(range(len(labels)), labels if shown else [])


def _point(
    axes, x: float, y: float, values: Sequence[float], along: str, colour: str
) -> None:
    """A mean with a standard deviation to either side."""
    spread = statistics.stdev(values) if len(values) > 1 else None
    axes.errorbar(
        x, y, **{f'{along}err': spread}, fmt='o', color=colour, capsize=4, ms=5
    )


def curve_plot(
    lines: Mapping[str, Sequence[tuple[float, Sequence[float]]]],
    axis: str,
    title: str,
) -> np.ndarray:
    """Draw values against the number of training pictures.

    A point is the mean over the seeds, its whisker one standard deviation to
    either side.

    Args:
        lines (Mapping[str, Sequence[tuple]]): By name, pairs of a number of
            pictures and the values of its seeds, at least one.
        axis (str): What the values are.
        title (str): Line above the plot.

    Returns:
        ndarray: RGB ``(H, W, 3)``, uint8.

    Raises:
        ValueError: If there is no line.
    """
    if not lines:
        raise ValueError('a plot needs at least one line')
    width, height = _CURVE
    canvas = Canvas(width, height + _TITLE + _AXIS)
    canvas.text(_MARGIN, 14, title, 13, weight='bold')
    axes = canvas.axes(80, _TITLE, width - 80 - _MARGIN, height)
    pictures = sorted(
        {number for line in lines.values() for number, _ in line}
    )
    for place, (name, line) in enumerate(lines.items()):
        colour = _COLOURS[place % len(_COLOURS)]
        points = sorted(line, key=lambda point: point[0])
        means = [statistics.fmean(values) for _, values in points]
        numbers = [number for number, _ in points]
        axes.plot(numbers, means, '-', color=colour, label=name)
        for number, mean, (_, values) in zip(
            numbers, means, points, strict=True
        ):
            _point(axes, number, mean, values, 'y', colour)
    axes.set_xscale('log')
    axes.xaxis.set_major_locator(FixedLocator(pictures))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels([f'{number:g}' for number in pictures])
    axes.set_xlabel('training pictures', fontsize=11, color=INK)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=10)
    _finish(axes, 'y', axis)
    return canvas.render()


def step_plot(
    labels: Sequence[str],
    panels: Mapping[str, Mapping[str, Sequence[Sequence[float]]]],
    axis: str,
    title: str,
    aims: Mapping[tuple[str, str], float] | None = None,
) -> np.ndarray:
    """Draw how scores went from step to step, downwards.

    A row of panels a split, a panel a score, each with an axis of its own. A
    line goes through the means, whose whisker is one standard deviation over
    the seeds to either side; each seed is a point.

    Args:
        labels (Sequence[str]): Names of N steps, the first on top.
        panels (Mapping[str, Mapping[str, Sequence]]): By split and by score,
            of the same scores in each split, the values of each of the N
            steps, one a seed, at least one.
        axis (str): What the values are.
        title (str): Line above the plot.
        aims (Mapping[tuple[str, str], float], optional): By split and score,
            the value of a dashed line.

    Returns:
        ndarray: RGB ``(H, W, 3)``, uint8.

    Raises:
        ValueError: If there is no step or panel, or a panel has not the
            values of each step.
    """
    if not labels or not any(panels.values()):
        raise ValueError('a plot needs at least one step and one panel')
    for scores in panels.values():
        for steps in scores.values():
            if len(steps) != len(labels) or not all(steps):
                raise ValueError('each panel needs values of each step')
    height = _STEP * len(labels)
    columns = max(len(scores) for scores in panels.values())
    beside = _beside(labels, _STEP_LABEL)
    canvas = Canvas(
        beside + columns * (_STEP_PANEL + _GAP),
        _TITLE + len(panels) * (height + _AXIS + _GAP),
    )
    canvas.text(_MARGIN, 14, title, 13, weight='bold')
    for row, (split, scores) in enumerate(panels.items()):
        top = _TITLE + 18 + row * (height + _AXIS + _GAP)
        for column, (score, steps) in enumerate(scores.items()):
            left = beside + column * (_STEP_PANEL + _GAP)
            axes = canvas.axes(left, top, _STEP_PANEL, height)
            means = [statistics.fmean(values) for values in steps]
            axes.plot(means, range(len(means)), '-', color=_COLOURS[0])
            for place, values in enumerate(steps):
                _seeds(axes, place, values)
            aim = (aims or {}).get((split, score))
            if aim is not None:
                axes.axvline(aim, color=_COLOURS[1], linestyle='--')
            _name_rows(axes, labels, column == 0)
            axes.xaxis.set_major_locator(MaxNLocator(4))
            axes.set_title(f'{split}: {score}', fontsize=11, color=INK)
            _finish(axes, 'x', axis)
    return canvas.render()


def _finish(axes, along: str, label: str) -> None:
    """Label of the axis of values, its grid, and no frame."""
    getattr(axes, f'set_{along}label')(label, fontsize=11, color=INK)
    axes.grid(axis=along, color='#dddddd', linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=10, labelcolor=INK)
    for side in ('top', 'right'):
        axes.spines[side].set_visible(False)
