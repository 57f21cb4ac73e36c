"""NYU Depth v2's labelled file to pictures and depth maps in the NYU layout.

Silberman et al., "Indoor Segmentation and Support Inference from RGBD
Images", ECCV 2012. The file is MATLAB 7.3, which is HDF5 with the axes
reversed: ``images (N, 3, W, H)``, ``depths`` and ``rawDepths (N, W, H)``
in metres, ``sceneTypes`` and ``scenes (1, N)`` references to characters.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from llm_mde_mm.datasets.preparation.encoding import (
    encode_depth,
    encode_picture,
)
from llm_mde_mm.datasets.preparation.manifest import (
    check_settings,
    file_digests,
    json_bytes,
    make_folder,
    sha256,
    write_once,
)
from llm_mde_mm.utils.errors import ConfigError, DataError, LLMMDEError

LABELED_URL = (
    'http://horatio.cs.nyu.edu/mit/silberman/nyu_depth_v2/'
    'nyu_depth_v2_labeled.mat'
)
LABELED_SIZE = 2_972_037_809
LABELED_MD5 = '520609c519fba3ba5ac58c8fefcc3530'
DEPTHS = dict(filled='depths', raw='rawDepths')
PICTURES = ('jpg', 'png')


def check_labeled(path: Path, verify: bool = True) -> dict[str, Any]:
    """Describe the labelled file, and check that it is the published one.

    Args:
        path: ``nyu_depth_v2_labeled.mat``.
        verify: Whether another size or MD5 than the published raises.

    Returns:
        ``size``, ``md5``, ``sha256`` and ``published``, whether it is the
        published file.

    Raises:
        DataError: There is no such file, or it is not the published one.
    """
    if not path.is_file():
        raise DataError(
            f'there is no file {path}; give --mat FILE, or --download to '
            'fetch it'
        )
    size = path.stat().st_size
    if verify and size != LABELED_SIZE:
        raise DataError(
            f'{path} has {size:,} bytes, the published file '
            f'{LABELED_SIZE:,}; get it again, or give --no-verify'
        )
    digests = file_digests(path, 'md5', 'sha256')
    if verify and digests['md5'] != LABELED_MD5:
        raise DataError(
            f'{path}: the MD5 is {digests["md5"]}, that of the published '
            f'file {LABELED_MD5}; get it again, or give --no-verify'
        )
    published = size == LABELED_SIZE and digests['md5'] == LABELED_MD5
    return dict(size=size, **digests, published=published)


def prepare_labeled(
    mat: Path,
    out: Path,
    split: Mapping[int, str],
    source: Mapping[str, Any],
    depth: str = 'filled',
    picture: str = 'jpg',
) -> dict[str, int]:
    """Write the labelled pictures in the NYU layout, and ``manifest.json``.

    Files that are there with the right content stay, so that an interrupted
    run is finished by the same call. The manifest comes last: where it is,
    all else is.

    Args:
        mat: The labelled file.
        out: Folder of ``images``, ``annotations`` and ``manifest.json``.
        split: See :func:`.nyu_split.read_split`; it must name each picture of
            the file.
        source: See :func:`check_labeled`; goes into the manifest.
        depth: ``'filled'``, holes closed by colorisation, or ``'raw'``, as
            the sensor gave it.
        picture: ``'jpg'``, quality 100 without chroma subsampling, or
            ``'png'``, lossless.

    Returns:
        Numbers of ``pictures`` and of files ``written``.

    Raises:
        ConfigError: ``depth`` or ``picture`` is unknown, or h5py is absent.
        DataError: The file is damaged or not as described above, does not
            fit ``split``, or a file that exists differs.
        WriteError: The disk is full or the folder write-protected; what is
            written stays, each file whole.
    """
    if depth not in DEPTHS or picture not in PICTURES:
        raise ConfigError(
            f'depth={depth!r}, picture={picture!r}: there are depth '
            f'{", ".join(DEPTHS)} and picture {", ".join(PICTURES)}'
        )
    try:
        import h5py
    except ImportError as error:
        raise ConfigError(
            "h5py is not installed: pip install 'llm_mde_mm[data]'"
        ) from error
    settings = dict(source=dict(source), depth=DEPTHS[depth], picture=picture)
    check_settings(out / 'manifest.json', settings)
    items, written = [], 0
    with _reading(mat), h5py.File(mat, 'r') as data:
        _check_arrays(mat, data, split, DEPTHS[depth])
        for kind in ('images', 'annotations'):
            for name in sorted(set(split.values())):
                make_folder(out / kind / name)
        for i, part in tqdm(split.items(), unit='picture'):
            item, files = _convert(mat, data, i, part, DEPTHS[depth], picture)
            for file, content in files.items():
                written += write_once(out / file, content)
            items.append(item)
    manifest = json_bytes(dict(settings, depth_scale=0.001, items=items))
    written += write_once(out / 'manifest.json', manifest)
    return dict(pictures=len(items), written=written)


@contextmanager
def _reading(mat: Path) -> Iterator[None]:
    """Say of what HDF5 cannot read which file it is in."""
    try:
        yield
    except LLMMDEError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise DataError(
            f'{mat} is truncated, damaged or no HDF5 file: {error}; get it '
            'again'
        ) from error


def _convert(
    mat: Path, data: Any, i: int, part: str, depth: str, picture: str
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return picture i as an item of the manifest, and its two files."""
    scene = _text(mat, data, 'sceneTypes', i)
    name = f'{scene}_{i:05d}'
    # Each of the arrays is stored with x before y.
    rgb = data['images'][i].transpose(2, 1, 0)
    metres = data[depth][i].T
    image_file = f'images/{part}/{name}.{picture}'
    depth_file = f'annotations/{part}/{name}.png'
    files = {
        image_file: encode_picture(rgb, picture),
        depth_file: encode_depth(metres, f'{mat}: {depth} {i + 1}'),
    }
    item = dict(
        name=name,
        index=i + 1,
        split=part,
        scene=scene,
        room=_text(mat, data, 'scenes', i),
        image=image_file,
        image_sha256=sha256(files[image_file]),
        depth=depth_file,
        depth_sha256=sha256(files[depth_file]),
    )
    return item, files


def _check_arrays(
    mat: Path, data: Any, split: Mapping[int, str], depth: str
) -> None:
    """Raise if an array is absent or of another shape than described."""
    for key in ('images', depth, 'sceneTypes', 'scenes'):
        if key not in data:
            raise DataError(
                f'{mat} has no {key!r}: give nyu_depth_v2_labeled.mat'
            )
    images = data['images'].shape
    if len(images) != 4 or images[1] != 3 or data['images'].dtype != 'u1':
        raise DataError(f'{mat}: images of {images} are not (N, 3, W, H) u1')
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
    if list(split) != list(range(images[0])):
        raise DataError(
            f'{mat} holds {images[0]} pictures, but the split names '
            f'{len(split)}: each must be in one split; give --split-file'
        )


def _text(mat: Path, data: Any, key: str, i: int) -> str:
    """Return the text that a reference points to."""
    text = ''.join(chr(c) for c in np.ravel(data[data[key][0, i]]))
    # It becomes part of a path.
    if not re.fullmatch(r'[A-Za-z0-9_]+', text):
        raise DataError(f'{mat}: {key} {i + 1} is {text!r}, not a plain name')
    return text
