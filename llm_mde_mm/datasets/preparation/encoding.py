"""Content of the files that a preparation writes."""

import cv2
import numpy as np

from llm_mde_mm.utils.depth_io import millimetres
from llm_mde_mm.utils.errors import DataError

_JPEG = [
    cv2.IMWRITE_JPEG_QUALITY,
    100,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
]
_MAX_METRES = 65.535


def encode_picture(rgb: np.ndarray, picture: str) -> bytes:
    """Return ``(H, W, 3)`` RGB as the content of a jpg or png file."""
    bgr = np.ascontiguousarray(rgb[..., ::-1])
    options = _JPEG if picture == 'jpg' else []
    return cv2.imencode(f'.{picture}', bgr, options)[1].tobytes()


def encode_depth(metres: np.ndarray, where: str) -> bytes:
    """Return ``(H, W)`` metres as a uint16 PNG in millimetres.

    Args:
        metres: Depth, 0 = no measurement.
        where: What to call it in a message.

    Raises:
        DataError: A value is negative, not finite or too large.
    """
    if not np.isfinite(metres).all() or metres.min() < 0:
        raise DataError(f'{where} holds values below 0 m or not finite')
    if metres.max() > _MAX_METRES:
        raise DataError(
            f'{where} reaches {metres.max():g} m; 16 bits of millimetres end '
            f'at {_MAX_METRES} m: is the array in metres?'
        )
    png = np.ascontiguousarray(millimetres(metres))
    return cv2.imencode('.png', png)[1].tobytes()
