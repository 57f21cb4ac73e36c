import errno
import hashlib
import io
import os
import shutil
from types import SimpleNamespace

import pytest

from llm_mde_mm.datasets.preparation import download, download_file
from llm_mde_mm.utils.errors import DataError, WriteError


@pytest.fixture
def fetch(server, tmp_path):
    path = tmp_path / 'new' / 'file.mat'
    md5 = hashlib.md5(server.data).hexdigest()

    def run(**changes):
        arguments = dict(
            url=server.url, path=path, size=len(server.data), md5=md5
        )
        return download_file(**{**arguments, **changes})

    run.path = path
    run.part = path.with_name('file.mat.part')
    return run


def test_downloads_once(fetch, server):
    digests = {
        name: hashlib.new(name, server.data).hexdigest()
        for name in ('md5', 'sha256')
    }
    assert fetch() == digests
    assert fetch.path.read_bytes() == server.data
    assert not fetch.part.exists()
    assert fetch() == digests
    assert server.requests == [None]


@pytest.mark.parametrize('ranges', [True, False])
def test_goes_on_after_a_broken_connection(fetch, server, ranges):
    server.ranges, server.break_after = ranges, 100_000
    with pytest.raises(DataError, match='run the same command again'):
        fetch()
    assert fetch.part.stat().st_size == 100_000
    assert not fetch.path.exists()
    server.break_after = None
    fetch()
    assert fetch.path.read_bytes() == server.data
    # Without Range the server starts over, and so must the file.
    assert server.requests == [None, 'bytes=100000-']


def test_a_complete_part_needs_no_server(fetch, server):
    fetch.part.parent.mkdir()
    fetch.part.write_bytes(server.data)
    fetch(url='http://127.0.0.1:9/')
    assert fetch.path.read_bytes() == server.data


def test_wrong_checksum_leaves_nothing(fetch):
    with pytest.raises(DataError, match='MD5'):
        fetch(md5='0' * 32)
    assert not fetch.path.exists() and not fetch.part.exists()


def test_too_long_content_is_refused(fetch, server):
    with pytest.raises(DataError, match='larger than'):
        fetch(size=len(server.data) - 10)
    assert not fetch.path.exists() and not fetch.part.exists()


def test_another_file_is_not_overwritten(fetch):
    fetch.path.parent.mkdir()
    fetch.path.write_bytes(b'mine')
    with pytest.raises(DataError, match='nothing is overwritten'):
        fetch()
    assert fetch.path.read_bytes() == b'mine'


def test_disk_space_is_checked_before_the_request(fetch, server, monkeypatch):
    monkeypatch.setattr(
        shutil, 'disk_usage', lambda _: SimpleNamespace(free=1000)
    )
    with pytest.raises(WriteError, match='1,000 bytes are free'):
        fetch()
    assert server.requests == []


def test_no_server_and_no_other_scheme(fetch):
    with pytest.raises(DataError, match='127.0.0.1'):
        fetch(url='http://127.0.0.1:9/')
    with pytest.raises(DataError, match='file:'):
        fetch(url='file:///etc/hostname')


class FullDisk(io.BytesIO):
    """A file of a disk that is full at its opening, writing or closing."""

    def __init__(self, moment):
        super().__init__()
        self.moment = moment
        self.fail('open')

    def fail(self, moment):
        if moment == self.moment:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def write(self, data):
        self.fail('write')
        return super().write(data)

    def __exit__(self, *_):
        self.fail('close')


@pytest.mark.parametrize('moment', ['open', 'write', 'close'])
def test_disk_that_fills_up(fetch, server, monkeypatch, moment):
    with monkeypatch.context() as patch:
        patch.setattr(
            download, 'open', lambda *_: FullDisk(moment), raising=False
        )
        with pytest.raises(
            WriteError, match=r'mat\.part cannot .*No space left .* go on'
        ):
            fetch()
    assert not fetch.path.exists()
    fetch()


def test_progress_bar(fetch, server, capsys):
    fetch()
    assert 'file.mat: 100%' in capsys.readouterr().err


@pytest.mark.parametrize('folder', ['out', 'out/new'])
def test_a_folder_that_is_a_file(fetch, server, tmp_path, folder):
    (tmp_path / 'out').write_text('a file')
    with pytest.raises(WriteError, match=f'{tmp_path}/out is a file'):
        fetch(path=tmp_path / folder / 'file.mat')
    assert server.requests == []
