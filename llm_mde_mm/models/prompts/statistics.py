"""Statistics of a picture that its prompt tells: pure functions of pixels.

All of them are read from the picture before normalisation, on its own valid
pixels: neither padding nor the other pictures of the batch can change them.
B pictures, H x W pixels.
"""

import torch
from torch import Tensor

GREY_LEVELS = 256
NUM_BANDS = 10
NUM_CLASSES = 7
# ITU-R BT.601 luma of red, green and blue.
_LUMA = (0.299, 0.587, 0.114)


def grey_levels(picture: Tensor) -> Tensor:
    """Whole grey levels ``(B, H, W)``, 0 to 255, of RGB ``(B, 3, H, W)``."""
    # By numbers, not by a tensor: its way to a GPU would stop the host.
    red, green, blue = (
        weight * channel
        for weight, channel in zip(_LUMA, picture.unbind(1), strict=True)
    )
    grey = (red + green + blue).round()
    return grey.clamp(0, GREY_LEVELS - 1).long()


def grey_histogram(grey: Tensor, valid: Tensor) -> Tensor:
    """Count ``(B, 256)`` of each grey level among the valid pixels."""
    counts = grey.new_zeros(grey.shape[0], GREY_LEVELS)
    return counts.scatter_add_(1, grey.flatten(1), valid.long().flatten(1))


def quantile_level(histogram: Tensor, share: float) -> Tensor:
    """Lowest grey level ``(B,)`` that this share of the pixels reaches.

    ``share=0`` gives the minimum, 0.5 the lower median, 1 the maximum.
    """
    total = histogram.sum(1, keepdim=True)
    needed = (total * share).ceil().clamp(min=1)
    return (histogram.cumsum(1) < needed).sum(1)


def to_percent(level: Tensor) -> Tensor:
    """Grey levels 0..255 as whole percent 0..100."""
    return (level * 100 + (GREY_LEVELS - 1) // 2) // (GREY_LEVELS - 1)


def band_extremes(
    grey: Tensor, valid: Tensor, axis: int
) -> tuple[Tensor, Tensor]:
    """Centres of the brightest and the darkest of ten equal bands.

    Args:
        grey (Tensor): ``(B, H, W)`` grey levels.
        valid (Tensor): ``(B, H, W)`` bool; the valid pixels form a rectangle.
        axis (int): 1 for bands of rows, 2 for bands of columns.

    Returns:
        tuple[Tensor, Tensor]: ``(B,)`` each, in percent of the valid height
        or width: 5, 15, ..., 95.
    """
    other = 3 - axis
    weight = valid.long()
    sums = (grey * weight).sum(other)
    counts = weight.sum(other)
    present = counts > 0
    rank = present.long().cumsum(1) - 1
    extent = present.sum(1, keepdim=True).clamp(min=1)
    band = (rank * NUM_BANDS // extent).clamp(0, NUM_BANDS - 1)
    zeros = grey.new_zeros(grey.shape[0], NUM_BANDS)
    total = zeros.scatter_add(1, band, sums).double()
    pixels = zeros.scatter_add(1, band, counts)
    mean = total / pixels.clamp(min=1)
    empty = pixels == 0
    step = 100 // NUM_BANDS
    brightest = mean.masked_fill(empty, -1.0).argmax(1)
    darkest = mean.masked_fill(empty, float('inf')).argmin(1)
    return brightest * step + step // 2, darkest * step + step // 2


def picture_statistics(
    picture: Tensor, valid: Tensor | None = None
) -> dict[str, Tensor]:
    """All that a prompt says of a picture, as whole numbers.

    Args:
        picture (Tensor): ``(B, 3, H, W)`` RGB, 0 to 255, any float dtype that
            holds whole numbers exactly.
        valid (Tensor | None): ``(B, H, W)`` bool, False on padding.

    Returns:
        dict[str, Tensor]: ``(B,)`` int64 each. ``minimum``, ``maximum`` and
        ``median`` brightness, 0 to 100; ``bright_row``, ``dark_row``,
        ``bright_column``, ``dark_column`` in percent of height and width;
        ``distance``, 0 to 6: the bin of the modal grey level among seven
        equal ones (the paper's class view).
    """
    grey = grey_levels(picture)
    if valid is None:
        valid = torch.ones_like(grey, dtype=torch.bool)
    histogram = grey_histogram(grey, valid)
    rows, columns = (band_extremes(grey, valid, axis) for axis in (1, 2))
    return dict(
        minimum=to_percent(quantile_level(histogram, 0.0)),
        maximum=to_percent(quantile_level(histogram, 1.0)),
        median=to_percent(quantile_level(histogram, 0.5)),
        bright_row=rows[0],
        bright_column=columns[0],
        dark_row=rows[1],
        dark_column=columns[1],
        distance=histogram.argmax(1) * NUM_CLASSES // GREY_LEVELS,
    )
