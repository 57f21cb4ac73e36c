"""NYU Depth v2's labelled file to pictures and depth maps in its layout."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm

from llm_mde_mm.datasets.preparation.encoding import (
    encode_depth,
    encode_picture,
)
from llm_mde_mm.datasets.preparation.folders import check_space
from llm_mde_mm.datasets.preparation.layout import (
    FOLDERS,
    files_of,
    take_over,
)
from llm_mde_mm.datasets.preparation.manifest import (
    check_settings,
    file_digests,
    json_bytes,
    sha256,
    write_once,
)
from llm_mde_mm.datasets.preparation.nyu_labeled import (
    DEPTHS,
    check_split,
    need_h5py,
    open_labeled,
)
from llm_mde_mm.utils.errors import ConfigError, DataError

LABELED_URL = (
    'http://horatio.cs.nyu.edu/mit/silberman/nyu_depth_v2/'
    'nyu_depth_v2_labeled.mat'
)
LABELED_SIZE = 2_972_037_809
LABELED_MD5 = '520609c519fba3ba5ac58c8fefcc3530'
LABELED_PICTURES = 1449
LABELED_PIXELS = 640 * 480
PICTURES = ('jpg', 'png')
# A pixel of RGB and one of depth, before compression, which leaves about
# half.
_PIXEL_BYTES = 3 + 2


def check_request(
    out: Path,
    depth: str,
    picture: str,
    published: Mapping[int, str] | None = None,
) -> None:
    """Check all that can be before the labelled file is there.

    Args:
        out, depth, picture: See :func:`prepare_labeled`.
        published: The split, where the file will be the published one.

    Raises:
        ConfigError: ``depth`` or ``picture`` is unknown, or h5py is absent.
        DataError: ``out`` was prepared in another way, or the split is one
            of another file.
        WriteError: ``out`` is a file.
    """
    if depth not in DEPTHS or picture not in PICTURES:
        raise ConfigError(
            f'depth={depth!r}, picture={picture!r}: there are depth '
            f'{", ".join(DEPTHS)} and picture {", ".join(PICTURES)}'
        )
    need_h5py()
    check_settings(out, dict(depth=DEPTHS[depth], picture=picture))
    if published is not None:
        check_split(published, LABELED_PICTURES, 'the published file')


def expected_bytes(out: Path) -> int:
    """Estimate what the published file's pictures will take.

    Args:
        out: Folder of the layout; the pictures that it has do not count.
    """
    there = sum(1 for _ in (out / FOLDERS['depth']).rglob('*.png'))
    return _picture_bytes(LABELED_PICTURES - there, LABELED_PIXELS)


def check_labeled(
    path: Path,
    verify: bool = True,
    digests: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Describe the labelled file, and check that it is the published one.

    Args:
        path: ``nyu_depth_v2_labeled.mat``.
        verify: Whether another size or MD5 than the published raises.
        digests: Its ``md5`` and ``sha256``; None hashes it.

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
    if digests is None:
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
        DataError: The file is damaged or not as described in
            :mod:`.nyu_labeled`, does not fit ``split``, a file that exists
            differs, or ``out`` holds pictures of something else.
        WriteError: The disk is too full, or ``out`` is a file or
            write-protected; what is written stays, each file whole.
    """
    check_request(out, depth, picture)
    depth = DEPTHS[depth]
    settings = dict(source=dict(source), depth=depth, picture=picture)
    check_settings(out, settings)
    items = _list_items(mat, out, split, depth, picture)
    written = 0
    for item, files in zip(
        tqdm(items, unit='picture'),
        _encoded(mat, depth, picture, len(items)),
        strict=True,
    ):
        for kind, content in files.items():
            item[f'{kind}_sha256'] = sha256(content)
            written += write_once(out / item[kind], content)
    manifest = json_bytes(dict(settings, depth_scale=0.001, items=items))
    written += write_once(out / 'manifest.json', manifest)
    return dict(pictures=len(items), written=written)


def _list_items(
    mat: Path, out: Path, split: Mapping[int, str], depth: str, picture: str
) -> list[dict[str, Any]]:
    """Return the manifest's items, once all of them may be written."""
    items: list[dict[str, Any]] = []
    with open_labeled(mat, depth) as data:
        check_split(split, len(data), mat)
        for i, part in split.items():
            scene, room = data.text('sceneTypes', i), data.text('scenes', i)
            name = f'{scene}_{i:05d}'
            items.append(
                dict(
                    name=name,
                    index=i + 1,
                    split=part,
                    scene=scene,
                    room=room,
                    **files_of(name, part, picture),
                )
            )
        pixels = data.pixels
    take_over(out, items)
    to_come = [
        i for i in items if not all((out / i[k]).exists() for k in FOLDERS)
    ]
    needed = _picture_bytes(len(to_come), pixels)
    check_space(out, needed, f'{len(to_come)} pictures take about')
    return items


def _picture_bytes(number: int, pixels: int) -> int:
    """Return about what so many pictures of so many pixels take."""
    return max(number, 0) * pixels * _PIXEL_BYTES // 2


def _encoded(
    mat: Path, depth: str, picture: str, number: int
) -> Iterator[dict[str, bytes]]:
    """Yield the content of each picture's two files.

    What happens between two of them is not taken for damage of the file.
    """
    with open_labeled(mat, depth) as data:
        for i in range(number):
            where = f'{mat}: {depth} {i + 1}'
            yield dict(
                image=encode_picture(data.rgb(i), picture),
                depth=encode_depth(data.metres(i), where),
            )
