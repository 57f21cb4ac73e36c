"""Reader of NYU Depth v2's labelled file.

Silberman et al., "Indoor Segmentation and Support Inference from RGBD
Images", ECCV 2012. The file is MATLAB 7.3, which is HDF5 with the axes
reversed: ``images (N, 3, W, H)``, ``depths`` and ``rawDepths (N, W, H)``
in metres, ``sceneTypes`` and ``scenes (1, N)`` references to characters.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from llm_mde_mm.datasets.preparation.layout import plain_name
from llm_mde_mm.utils.errors import ConfigError, DataError, LLMMDEError

DEPTHS = dict(filled='depths', raw='rawDepths')
# What h5py and numpy raise on damaged and on foreign files.
_DAMAGE = (
    OSError,
    RuntimeError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
)


class Labeled:
    """The labelled file, open.

    Args:
        mat: The file.
        data: It, as h5py opened it.
        depth: ``'depths'`` or ``'rawDepths'``.
    """

    def __init__(self, mat: Path, data: Any, depth: str) -> None:
        self.mat = mat
        self._data = data
        self._depth = depth
        self._check_arrays()

    def __len__(self) -> int:
        """Return the number of pictures."""
        return self._data['images'].shape[0]

    @property
    def pixels(self) -> int:
        """Number of pixels of a picture."""
        return int(np.prod(self._data['images'].shape[2:]))

    def rgb(self, i: int) -> np.ndarray:
        """Return picture i, ``(H, W, 3)`` uint8."""
        # Each of the arrays is stored with x before y.
        return self._data['images'][i].transpose(2, 1, 0)

    def metres(self, i: int) -> np.ndarray:
        """Return depth map i, ``(H, W)`` in metres."""
        return self._data[self._depth][i].T

    def text(self, key: str, i: int) -> str:
        """Return the name that a reference of ``key`` points to.

        Raises:
            DataError: It is no plain name.
        """
        codes = np.ravel(self._data[self._data[key][0, i]])
        return plain_name(
            ''.join(map(chr, codes)), f'{self.mat}: {key} {i + 1}'
        )

    def _check_arrays(self) -> None:
        """Raise if an array is absent or of another shape than described."""
        mat, data, depth = self.mat, self._data, self._depth
        for key in ('images', depth, 'sceneTypes', 'scenes'):
            if key not in data:
                raise DataError(
                    f'{mat} has no {key!r}: give nyu_depth_v2_labeled.mat'
                )
        images = data['images'].shape
        if len(images) != 4 or images[1] != 3 or data['images'].dtype != 'u1':
            raise DataError(
                f'{mat}: images of {images} are not (N, 3, W, H) u1'
            )
        for key, shape in {
            depth: (images[0], *images[2:]),
            'sceneTypes': (1, images[0]),
            'scenes': (1, images[0]),
        }.items():
            if data[key].shape != shape:
                raise DataError(
                    f'{mat}: {key} has shape {data[key].shape}, not {shape}: '
                    'the file is not nyu_depth_v2_labeled.mat'
                )


@contextmanager
def open_labeled(mat: Path, depth: str) -> Iterator[Labeled]:
    """Open the labelled file, and say of what cannot be read where it is.

    Args:
        mat: The file.
        depth: ``'depths'`` or ``'rawDepths'``.

    Raises:
        ConfigError: h5py is not installed.
        DataError: The file is damaged or not as described above.
    """
    h5py = need_h5py()
    try:
        with h5py.File(mat, 'r') as data:
            yield Labeled(mat, data, depth)
    except LLMMDEError:
        raise
    except _DAMAGE as error:
        raise DataError(
            f'{mat} is truncated, damaged or no HDF5 file: {error}; get it '
            'again'
        ) from error


def need_h5py() -> ModuleType:
    """Return h5py.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise ConfigError('h5py is not installed: pip install h5py') from error
    return h5py


def check_split(split: Mapping[int, str], pictures: int, what: object) -> None:
    """Raise unless a split names each picture of a file, and no other.

    Args:
        split: See :func:`.nyu_split.read_split`.
        pictures: Number of pictures of the file.
        what: What to call the file in a message.
    """
    if list(split) != list(range(pictures)):
        raise DataError(
            f'{what} holds {pictures} pictures, but the split names '
            f'{len(split)}, from {min(split, default=0)} to '
            f'{max(split, default=0)} counted from 0: each must be in one '
            'split; give --split-file'
        )
