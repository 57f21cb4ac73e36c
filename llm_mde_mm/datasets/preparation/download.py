"""Download of one large file: resumed, and verified before it gets its name.

What has arrived lies in ``<name>.part`` until size and checksum are right.
"""

import http.client
import os
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from llm_mde_mm.datasets.preparation.folders import check_space, make_folder
from llm_mde_mm.datasets.preparation.manifest import file_digests
from llm_mde_mm.utils.errors import DataError, WriteError

_BLOCK = 1 << 20
_TIMEOUT = 60  # seconds without a byte
_AGAIN = 'run the same command again to go on where it stopped'


def download_file(
    url: str, path: Path, size: int, md5: str, also: int = 0
) -> dict[str, str]:
    """Download a file, going on where an interrupted download stopped.

    Args:
        url: ``http://`` or ``https://``.
        path: Where the file goes; its folder is made. If the file is there,
            nothing is downloaded.
        size: Its size in bytes.
        md5: Its MD5 in hex digits.
        also: Bytes that the same disk must hold after the download.

    Returns:
        Its ``md5`` and ``sha256``, from one pass over it.

    Raises:
        DataError: The server does not answer, the connection broke (the part
            stays, to be resumed), the content has another size or checksum
            (the part is removed), or another file has the name (it stays).
        WriteError: The disk is too full or fills up (the part stays), or the
            folder cannot be made.
    """
    if not url.startswith(('http://', 'https://')):
        raise DataError(f'{url!r} is not an http:// or https:// address')
    if path.exists():
        digests, problem = _compare(path, size, md5)
        if problem:
            raise DataError(
                f'{path} exists, but {problem}; nothing is overwritten: move '
                'it away and run again'
            )
        return digests
    part = path.with_name(f'{path.name}.part')
    _complete(url, part, size, also)
    digests, problem = _compare(part, size, md5)
    if problem:
        # A damaged part can only be continued into a damaged file.
        part.unlink()
        raise DataError(
            f'{url}: {problem}; the download was removed: run again, and if '
            'this recurs get the file elsewhere'
        )
    os.replace(part, path)
    return digests


def _complete(url: str, part: Path, size: int, also: int) -> None:
    """Fetch what a part lacks."""
    if part.exists() and part.stat().st_size > size:
        part.unlink()
    arrived = part.stat().st_size if part.exists() else 0
    what = 'the download and what is made of it need' if also else ''
    check_space(
        part.parent, size - arrived + also, what or 'the download needs'
    )
    make_folder(part.parent)
    if arrived < size:
        try:
            _fetch(url, part, arrived, size)
        except OSError as error:
            raise WriteError(
                f'{part} cannot be written: {error.strerror or error}; free '
                f'some space and {_AGAIN}'
            ) from error
    arrived = part.stat().st_size
    if arrived < size:
        raise DataError(
            f'{url}: the connection ended after {arrived:,} of {size:,} '
            'bytes; run the same command again to go on from there'
        )


def _fetch(url: str, part: Path, arrived: int, size: int) -> None:
    """Append what is missing to a part, at most one byte above the size.

    Raises:
        DataError: It does not arrive.
        OSError: It cannot be written.
    """
    headers = {'Range': f'bytes={arrived}-'} if arrived else {}
    request = urllib.request.Request(url, headers=headers)
    with _connection(url):
        response = urllib.request.urlopen(request, timeout=_TIMEOUT)
    with response:
        # A server that ignores Range sends the file from its beginning.
        resumed = response.status == 206 and response.headers.get(
            'Content-Range', ''
        ).startswith(f'bytes {arrived}-')
        if response.status == 206 and not resumed:
            raise DataError(
                f'{url}: the server sent another range than asked for; '
                f'{_AGAIN}'
            )
        start = arrived if resumed else 0
        with (
            open(part, 'ab' if resumed else 'wb') as stream,
            tqdm(
                total=size,
                initial=start,
                unit='B',
                unit_scale=True,
                desc=part.stem,
            ) as bar,
        ):
            while start <= size:
                with _connection(url):
                    block = response.read(min(_BLOCK, size + 1 - start))
                if not block:
                    break
                stream.write(block)
                start += len(block)
                bar.update(len(block))


@contextmanager
def _connection(url: str) -> Iterator[None]:
    """Tell what breaks a connection from what a disk does."""
    try:
        yield
    except (OSError, http.client.HTTPException) as error:
        raise DataError(f'{url}: {error}; {_AGAIN}') from error


def _compare(path: Path, size: int, md5: str) -> tuple[dict[str, str], str]:
    """Return a file's digests, and how it is not as expected ('': it is)."""
    actual = path.stat().st_size
    if actual > size:
        return {}, f'it is larger than {size:,} bytes'
    if actual != size:
        return {}, f'it has {actual:,} bytes, not {size:,}'
    digests = file_digests(path, 'md5', 'sha256')
    if digests['md5'] != md5.lower():
        return {}, f'its MD5 is {digests["md5"]}, not {md5}'
    return digests, ''
