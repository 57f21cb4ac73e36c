"""Colours to draw from, linear RGB in [0, 1]."""

import numpy as np

Color = tuple[float, float, float]

WOODS: tuple[Color, ...] = (
    (0.42, 0.24, 0.11),
    (0.25, 0.13, 0.06),
    (0.55, 0.38, 0.21),
    (0.12, 0.07, 0.04),
    (0.62, 0.50, 0.34),
)
FABRICS: tuple[Color, ...] = (
    (0.10, 0.14, 0.30),
    (0.35, 0.08, 0.07),
    (0.30, 0.27, 0.22),
    (0.08, 0.08, 0.09),
    (0.13, 0.24, 0.12),
    (0.50, 0.42, 0.32),
    (0.40, 0.22, 0.08),
)
BRIGHT: tuple[Color, ...] = (
    (0.65, 0.10, 0.08),
    (0.75, 0.55, 0.05),
    (0.08, 0.25, 0.60),
    (0.12, 0.45, 0.15),
    (0.60, 0.25, 0.50),
)


def pick_color(rng: np.random.Generator, colors: tuple[Color, ...]) -> Color:
    """Draw a colour and move it a little."""
    base = colors[int(rng.integers(len(colors)))]
    gain = rng.uniform(0.75, 1.25)
    shift = rng.uniform(0.92, 1.08, 3)
    red, green, blue = (
        min(0.95, c * gain * float(s))
        for c, s in zip(base, shift, strict=True)
    )
    return red, green, blue


def scale_color(color: Color, factor: float) -> Color:
    """Colour times a factor, below 1."""
    red, green, blue = (min(0.95, c * factor) for c in color)
    return red, green, blue
