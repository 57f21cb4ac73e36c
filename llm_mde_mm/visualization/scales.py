"""Round ends and ticks for the colour scales of depth and error."""

from collections.abc import Sequence

import numpy as np
from matplotlib.ticker import MaxNLocator


def depth_ticks(
    depth: Sequence[np.ndarray], max_depth: float | None = None
) -> np.ndarray:
    """Ticks of one depth scale for several pictures.

    Args:
        depth (Sequence[ndarray]): Each picture's depths (K,) in [m].
        max_depth (float, optional): End of the scale in [m]. Defaults to the
            99.5th percentile of all depths, rounded up.

    Returns:
        ndarray: Ascending ticks in [m]; the first and last are the ends.

    Raises:
        ValueError: If ``max_depth`` is not positive.
    """
    if max_depth is not None and not max_depth > 0:
        raise ValueError(f'max_depth must be positive, got {max_depth}')
    values = np.concatenate(depth)
    low, high = 0.0, 1.0
    if values.size:
        low, high = np.percentile(values, (0.5, 99.5)).tolist()
    if max_depth is None:
        return _ticks(low, high, 9)
    ticks = _ticks(min(low, 0.5 * max_depth), max_depth, 9)
    # The label of a tick just below the end would run into the end's.
    step = ticks[1] - ticks[0]
    return np.append(ticks[ticks < max_depth - 0.5 * step], max_depth)


def error_ticks(errors: Sequence[np.ndarray]) -> np.ndarray:
    """Ticks of one error scale from zero for several pictures.

    Args:
        errors (Sequence[ndarray]): Each picture's absolute errors (K,) in
            [m].

    Returns:
        ndarray: Ascending ticks in [m]; the first is 0, the last the end.
    """
    values = np.concatenate(errors)
    # Few pixels at the edges of objects would darken all the rest.
    high = float(np.percentile(values, 97)) if values.size else 1.0
    return _ticks(0.0, max(high, 0.05), 5)


def _ticks(low: float, high: float, count: int) -> np.ndarray:
    """Round numbers that enclose the range from low to high."""
    locator = MaxNLocator(nbins=count, steps=[1, 2, 2.5, 5, 10])
    ticks = locator.tick_values(low, max(high, low + 0.01))
    # 0.30000000000000004 is to be read as 0.3.
    return np.round(ticks, 12)
