"""A Matplotlib figure laid out in pixels, without pyplot's global state."""

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from .colour import DEPTH_CMAP

DPI = 100
"""Pixels an inch."""

INK = '#202020'
"""Colour of all text."""


class Canvas:
    """A figure addressed in pixels from its top left corner."""

    def __init__(self, width: int, height: int) -> None:
        size = (width / DPI, height / DPI)
        self.width, self.height = width, height
        self.figure = Figure(figsize=size, dpi=DPI, facecolor='white')
        self.agg = FigureCanvasAgg(self.figure)

    def axes(self, x: float, y: float, width: float, height: float) -> Axes:
        """Add axes with the top left corner (x, y)."""
        return self.figure.add_axes(
            (
                x / self.width,
                1 - (y + height) / self.height,
                width / self.width,
                height / self.height,
            )
        )

    def text(
        self, x: float, y: float, text: str, size: float, **kwargs
    ) -> None:
        """Write text whose top is at y, dollar signs taken literally."""
        self.figure.text(
            x / self.width,
            1 - y / self.height,
            text,
            fontsize=size,
            color=INK,
            va='top',
            parse_math=False,
            **kwargs,
        )

    def picture(
        self, rgb: np.ndarray, x: float, y: float, width: float, height: float
    ) -> None:
        """Show an RGB picture (H, W, 3) in a rectangle."""
        axes = self.axes(x, y, width, height)
        # Between two depths lies no third colour: nothing is blended.
        axes.imshow(rgb, interpolation='nearest', aspect='auto')
        axes.set_axis_off()

    def depth_scale(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        ticks: np.ndarray,
    ) -> None:
        """Draw the legend of depth, from the first to the last tick in [m]."""
        bar = self.figure.colorbar(
            ScalarMappable(
                Normalize(ticks[0], ticks[-1]),
                matplotlib.colormaps[DEPTH_CMAP],
            ),
            cax=self.axes(x, y, width, height),
            orientation='horizontal',
            ticks=FixedLocator(list(ticks)),
        )
        bar.ax.set_xticklabels([f'{tick:g} m' for tick in ticks])
        bar.ax.tick_params(labelsize=10, labelcolor=INK)

    def render(self) -> np.ndarray:
        """Draw everything and return (H', W', 3) uint8."""
        self.agg.draw()
        return np.asarray(self.agg.buffer_rgba())[..., :3].copy()
