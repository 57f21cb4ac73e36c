"""Depth files that are no pictures: NumPy arrays and PFM."""

import io
import re

import numpy as np

_PFM_HEADER = re.compile(
    rb'(Pf|PF)\s+(\d+)\s+(\d+)\s+([-+]?[0-9.]+(?:[eE][-+]?\d+)?)\s'
)


def parse_npy(data: bytes) -> np.ndarray:
    """Return the array of a ``.npy`` file; nothing in it is executed.

    Args:
        data: The whole file.

    Returns:
        (H, W); an axis of length 1 before or after these two is dropped.

    Raises:
        ValueError: The bytes are no array of numbers with two axes.
    """
    try:
        array = np.load(io.BytesIO(data), allow_pickle=False)
    except Exception as error:
        # NumPy parses the header as Python: a damaged one raises anything.
        raise ValueError(str(error)) from error
    if not isinstance(array, np.ndarray):
        raise ValueError('it holds several arrays; store one')
    if array.dtype.kind not in 'fui':
        raise ValueError(f'it holds {array.dtype}, not numbers')
    if array.ndim == 3 and 1 in (array.shape[0], array.shape[2]):
        array = array[..., 0] if array.shape[2] == 1 else array[0]
    if array.ndim != 2:
        raise ValueError(f'its shape is {array.shape}, not (H, W)')
    return array


def parse_pfm(data: bytes) -> np.ndarray:
    """Return the values of a one-channel portable float map.

    The file's rows run from bottom to top; the sign of the header's third
    number tells the order of the bytes. Its size, a factor that writers use
    for different things, is left alone.

    Args:
        data: The whole file.

    Returns:
        (H, W) float32, the top row first.

    Raises:
        ValueError: The header is malformed, the file has three channels or
            another length than its header says.
    """
    header = _PFM_HEADER.match(data)
    if header is None:
        raise ValueError('it does not start with a PFM header')
    if header[1] == b'PF':
        raise ValueError('it has 3 channels (PF); 1 (Pf) expected')
    width, height = int(header[2]), int(header[3])
    values = data[header.end() :]
    if len(values) != 4 * width * height or not values:
        raise ValueError(
            f'{width} x {height} values need {4 * width * height} bytes, it '
            f'has {len(values)}'
        )
    order = '<f4' if header[4].startswith(b'-') else '>f4'
    rows = np.frombuffer(values, order).reshape(height, width)
    return np.ascontiguousarray(rows[::-1], dtype=np.float32)
