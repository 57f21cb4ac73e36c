"""Frames of public RGB-D sets to the NYU layout.

A picture that is a JPEG is kept as it is; a depth map becomes a uint16 PNG
in millimetres, 0 = no measurement.
"""

import http.client
import io
import shlex
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from llm_mde_mm.datasets.preparation.manifest import (
    json_bytes,
    sha256,
    write_once,
)
from llm_mde_mm.datasets.preparation.nyu_mat import (
    _check_settings,
    _encode_depth,
)
from llm_mde_mm.datasets.preparation.public_sets import PublicSet
from llm_mde_mm.utils.errors import DataError

_TIMEOUT = 60  # seconds without a byte
_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 95]
_BLOCKS = 4
# Rounding, and the JPEG encoder, shift a block's mean by less than this
# many millimetres or grey levels.
_MEAN_TOLERANCE = 1.5


def prepare_public(
    out: Path,
    sets: Sequence[PublicSet],
    clones: Path | None = None,
    verify: bool = True,
) -> dict[str, int]:
    """Write sets in the NYU layout, and ``manifest.json``.

    Files that are there with the right content stay and are not fetched
    again. The manifest comes last: where it is, all else is.

    Args:
        out: Folder of ``images``, ``annotations`` and ``manifest.json``.
        sets: See :func:`~.public_sets.read_sets`.
        clones: Folder of the repositories, in place of the network.
        verify: Whether content other than recorded raises.

    Returns:
        Numbers of ``pictures``, of files ``written``, and of files that are
        ``exact``: the recorded file, or for depth the recorded pixels.

    Raises:
        DataError: A source is missing, unreadable or has other content than
            recorded, a file that exists differs, or nothing can be written.
    """
    settings = dict(sources=[one.facts() for one in sets])
    _check_settings(out / 'manifest.json', settings)
    items, written, exact = [], 0, 0
    frames = [(one, *frame) for one in sets for frame in one]
    try:
        for one, number, split in tqdm(frames, unit='picture'):
            name = f'{one.scene}_{number:05d}'
            item = dict(name=name, index=number, split=split)
            item.update(scene=one.scene, room=one.room, set=one.name)
            for kind, file in (
                ('image', f'images/{split}/{name}.jpg'),
                ('depth', f'annotations/{split}/{name}.png'),
            ):
                target = Target(one, number, kind, out / file)
                content, match, is_new = target.ensure(clones, verify)
                written += is_new
                exact += match == 'exact'
                item[kind] = file
                item[f'{kind}_sha256'] = sha256(content)
                item[f'{kind}_match'] = match
            items.append(item)
        manifest = json_bytes(dict(settings, depth_scale=0.001, items=items))
        written += write_once(out / 'manifest.json', manifest)
    except OSError as error:
        raise DataError(
            f'{out}: {error}; the same command goes on from there'
        ) from error
    return dict(pictures=len(items), written=written, exact=exact)


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

    def ensure(
        self, clones: Path | None, verify: bool
    ) -> tuple[bytes, str, bool]:
        """Make the file unless it is there.

        Args:
            clones: Folder of the repositories, or None for the network.
            verify: Whether content other than recorded raises.

        Returns:
            Its content, how that matches (see :meth:`match`), and whether
            it was written.
        """
        if self.path.exists():
            content = self.path.read_bytes()
            match = self.match(content)
            if match != 'other':
                return content, match, False
        where, source = self._read(clones)
        content = self._convert(source, where)
        match = self.match(content)
        if match == 'other' and verify:
            raise DataError(
                f'{where} has other content than recorded (SHA-256 '
                f'{sha256(source)}); nothing was written of it: it must be '
                f'that of {self.one.repository} at {self.one.commit}; '
                '--no-verify takes it as it is'
            )
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return content, match, write_once(self.path, content)

    def match(self, content: bytes) -> str:
        """Compare a file's content with what is recorded of it.

        Returns:
            ``'exact'``, ``'close'`` (the same means of blocks, for files
            rendered from arrays) or ``'other'``.
        """
        image_sha256, depth_sha256 = self.one.sha256[str(self.number)]
        if self.kind == 'image' and sha256(content) == image_sha256:
            return 'exact'
        pixels = _decode(content)
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

    def _read(self, clones: Path | None) -> tuple[str, bytes]:
        """Return where the source lies, and its content."""
        one = self.one
        if clones is None:
            url = one.url + self.source
            return url, _fetch(url, one)
        path = clones / one.folder / self.source
        try:
            return str(path), path.read_bytes()
        except OSError as error:
            raise DataError(
                f'cannot read {path}: {error.strerror}; get it by '
                f'{_clone(one, clones)}'
            ) from error

    def _convert(self, source: bytes, where: str) -> bytes:
        """Return the file's content, made from its source's."""
        array = _array(source, self.source.endswith('.npy'))
        is_depth = self.kind == 'depth'
        kinds, dimensions = ('uif', 2) if is_depth else ('uf', 3)
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
            return _encode_depth(array * self.one.depth_scale, where)
        if not self.source.endswith('.npy'):
            return source
        rgb = np.rint(array.clip(0, 1) * 255).astype(np.uint8)
        bgr = np.ascontiguousarray(rgb[..., ::-1])
        return cv2.imencode('.jpg', bgr, _JPEG)[1].tobytes()


def _array(source: bytes, is_numpy: bool) -> np.ndarray | None:
    """Return the array that a source holds, None if it is damaged."""
    if not is_numpy:
        return _decode(source)
    try:
        return np.squeeze(np.load(io.BytesIO(source), allow_pickle=False))
    except (ValueError, EOFError, OSError):
        return None


def _decode(content: bytes) -> np.ndarray | None:
    """Return a picture as it is stored, None if it cannot be read."""
    if not content:
        return None
    data = np.frombuffer(content, np.uint8)
    return cv2.imdecode(data, cv2.IMREAD_UNCHANGED)


def _block_means(pixels: np.ndarray) -> np.ndarray:
    """Return means of 4x4 blocks, (4, 4) or (4, 4, channels)."""
    rows = np.array_split(pixels.astype(np.float64), _BLOCKS)
    return np.array(
        [
            [part.mean((0, 1)) for part in np.array_split(row, _BLOCKS, 1)]
            for row in rows
        ]
    )


def _clone(one: PublicSet, clones: Path | str) -> str:
    """Return the command that gets a repository at its commit."""
    folder = shlex.quote(f'{clones}/{one.folder.split("/")[0]}')
    # One commit alone, which no branch has to lead to.
    return (
        f'"git init {folder} && git -C {folder} fetch --depth 1 '
        f'{one.repository} {one.commit} && git -C {folder} checkout '
        'FETCH_HEAD"'
    )


def _fetch(url: str, one: PublicSet) -> bytes:
    """Return what an address holds."""
    if not url.startswith(('http://', 'https://')):
        raise DataError(f'{url!r} is not an http:// or https:// address')
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as response:
            return response.read()
    except (OSError, http.client.HTTPException) as error:
        raise DataError(
            f'{url}: {error}; run the same command again to go on from '
            f'there, or run {_clone(one, "FOLDER")} and give --from FOLDER'
        ) from error
