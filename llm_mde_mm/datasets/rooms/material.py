"""Surfaces: two colours, a grid of cells, lines between them and a grain.

One description serves tiles, planks, bricks, checks, stripes, book spines,
cupboard doors, window panes and pictures, so that a whole picture is
textured by one pass of array operations.
"""

from typing import NamedTuple

from .colors import Color


class Material(NamedTuple):
    """A surface. Lengths are metres, colours linear RGB in [0, 1].

    Attributes:
        color: Colour of the cells.
        second: Colour of the lines, and of every other cell of a check.
        cell_u: Width of a cell; -n cuts the rectangle into n cells.
        cell_v: Height of a cell; -n cuts the rectangle into n cells.
        stagger: Shift of each row against the row below, in cells.
        line: Width of the lines between the cells.
        check: 1 gives every other cell the second colour.
        tint: Spread of brightness over the cells.
        chroma: Spread of each colour channel over the cells.
        grain: Amplitude of the smooth noise.
        grain_size: Size of its features.
        emission: Light of its own, 0 for a surface that only reflects.
    """

    color: Color
    second: Color = (0.0, 0.0, 0.0)
    cell_u: float = -1.0
    cell_v: float = -1.0
    stagger: float = 0.0
    line: float = 0.0
    check: float = 0.0
    tint: float = 0.0
    chroma: float = 0.0
    grain: float = 0.1
    grain_size: float = 0.2
    emission: float = 0.0
