"""Where the pictures of a batch lie inside their padding."""

import torch
from torch import Tensor


def picture_boxes(
    maps: Tensor, metas: list[dict] | None
) -> list[tuple[slice, slice]] | None:
    """Rows and columns of each picture inside its padding.

    Args:
        maps (Tensor): ``(B, C, H, W)``.
        metas (list[dict] | None): Metainfo of the B pictures, as mmseg's
            preprocessor leaves it; None or empty where there is none.

    Returns:
        list[tuple[slice, slice]] | None: None where nothing is padded.
    """
    pads = [
        meta.get('img_padding_size', meta.get('padding_size', (0,) * 4))
        for meta in metas or []
    ]
    if not any(any(pad) for pad in pads):
        return None
    height, width = maps.shape[-2:]
    return [
        (slice(top, height - bottom), slice(left, width - right))
        for left, right, top, bottom in pads
    ]


def valid_pixels(inputs: Tensor, metas: list[dict] | None) -> Tensor | None:
    """Tell pictures from padding.

    Args:
        inputs (Tensor): ``(B, 3, H, W)``.
        metas (list[dict] | None): See :func:`picture_boxes`.

    Returns:
        Tensor | None: ``(B, H, W)`` bool, False on padding; None where there
        is none.
    """
    boxes = picture_boxes(inputs, metas)
    if boxes is None:
        return None
    batch, _, height, width = inputs.shape
    valid = torch.zeros(
        batch, height, width, dtype=torch.bool, device=inputs.device
    )
    for row, box in zip(valid, boxes, strict=True):
        row[box] = True
    return valid


def mirror(maps: Tensor, metas: list[dict] | None) -> Tensor:
    """Mirror pictures left to right; their padding stays where it is.

    Args:
        maps (Tensor): ``(B, C, H, W)``.
        metas (list[dict] | None): See :func:`picture_boxes`.

    Returns:
        Tensor: ``(B, C, H, W)``.
    """
    boxes = picture_boxes(maps, metas)
    if boxes is None:
        return maps.flip(3)
    mirrored = maps.clone()
    for old, new, box in zip(maps, mirrored, boxes, strict=True):
        new[:, *box] = old[:, *box].flip(2)
    return mirrored
