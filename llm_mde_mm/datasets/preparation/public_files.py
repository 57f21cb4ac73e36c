"""Files of the NYU layout, made from sources of public RGB-D sets.

A picture that is a JPEG is kept as it is; a depth map becomes a uint16 PNG
in millimetres, 0 = no measurement.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from llm_mde_mm.datasets.preparation.encoding import encode_depth
from llm_mde_mm.datasets.preparation.manifest import (
    read_if_there,
    sha256,
    write_once,
)
from llm_mde_mm.datasets.preparation.public_sets import PublicSet
from llm_mde_mm.datasets.preparation.public_source import (
    decode,
    read_array,
    read_source,
)
from llm_mde_mm.utils.errors import DataError

_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 95]
_BLOCKS = 4
# Rounding, and the JPEG encoder, shift a block's mean by less than this
# many millimetres or grey levels.
_MEAN_TOLERANCE = 1.5


class Made(NamedTuple):
    """A file of the layout: SHA-256, :meth:`Target.match`, is it written."""

    sha256: str
    match: str
    is_new: bool


@dataclass(frozen=True)
class Target:
    """A file of the layout, and what it is made from.

    Args:
        one: Its set.
        number: Its frame.
        kind: ``'image'`` or ``'depth'``.
        path: Where it goes.
    """

    one: PublicSet
    number: int
    kind: str
    path: Path

    @property
    def source(self) -> str:
        """Name of the source file below the set's ``url`` or ``folder``."""
        return getattr(self.one, self.kind).format(self.number)

    def ensure(self, clones: Path | None, verify: bool) -> Made:
        """Make the file unless it is there.

        Args:
            clones: Folder of the repositories, or None for the network.
            verify: Whether content other than recorded raises.

        Raises:
            DataError: The source is missing, unreadable or has other
                content than recorded, or a file that exists differs.
            WriteError: It cannot be written.
        """
        content = read_if_there(self.path)
        if content is not None:
            match = self.match(content)
            if match != 'other':
                return Made(sha256(content), match, False)
        where, source = read_source(self.one, self.source, clones)
        content = self._convert(source, where)
        match = self.match(content)
        if match == 'other' and verify:
            raise DataError(
                f'{where} has other content than recorded (SHA-256 '
                f'{sha256(source)}); nothing was written of it: it must be '
                f'that of {self.one.repository} at {self.one.commit}; '
                '--no-verify takes it as it is'
            )
        is_new = write_once(self.path, content)
        return Made(sha256(content), match, is_new)

    def match(self, content: bytes) -> str:
        """Compare a file's content with what is recorded of it.

        Returns:
            ``'exact'`` (the recorded file, or for depth the recorded
            pixels), ``'close'`` (the same means of blocks, for files
            rendered from arrays) or ``'other'``.
        """
        image_sha256, depth_sha256 = self.one.sha256[str(self.number)]
        if self.kind == 'image' and sha256(content) == image_sha256:
            return 'exact'
        pixels = decode(content)
        if pixels is None:
            return 'other'
        if self.kind == 'depth' and pixels.dtype == np.uint16:
            if sha256(pixels.astype('<u2').tobytes()) == depth_sha256:
                return 'exact'
        if self.one.means is None:
            return 'other'
        if self.kind == 'image':
            pixels = pixels[..., ::-1]
        means = _block_means(pixels)
        recorded = np.array(self.one.means[self.kind], np.float64)
        if means.shape != recorded.shape:
            return 'other'
        near = np.abs(means - recorded).max() < _MEAN_TOLERANCE
        return 'close' if near else 'other'

    def _convert(self, source: bytes, where: str) -> bytes:
        """Return the file's content, made from its source's."""
        array = read_array(source, self.source)
        is_depth = self.kind == 'depth'
        is_numpy = self.source.endswith('.npy')
        dimensions = 2 if is_depth else 3
        kinds = 'uif' if is_depth else 'f' if is_numpy else 'u'
        if (
            array is None
            or array.ndim != dimensions
            or array.dtype.kind not in kinds
            # Eight bits are a drawing of depth.
            or (is_depth and array.dtype == np.uint8)
        ):
            raise DataError(
                f'{where} cannot be read as '
                f'{"a depth map" if is_depth else "a colour picture"}; get '
                f'it again from {self.one.repository} at {self.one.commit}'
            )
        if is_depth:
            array = np.where(np.isin(array, self.one.invalid), 0, array)
            return encode_depth(array * self.one.depth_scale, where)
        if not is_numpy:
            return source
        rgb = np.rint(array.clip(0, 1) * 255).astype(np.uint8)
        bgr = np.ascontiguousarray(rgb[..., ::-1])
        return cv2.imencode('.jpg', bgr, _JPEG)[1].tobytes()


def _block_means(pixels: np.ndarray) -> np.ndarray:
    """Return means of 4x4 blocks, (4, 4) or (4, 4, channels)."""
    rows = np.array_split(pixels.astype(np.float64), _BLOCKS)
    return np.array(
        [
            [part.mean((0, 1)) for part in np.array_split(row, _BLOCKS, 1)]
            for row in rows
        ]
    )
