"""Public sets to the NYU layout, from clones and from a local server.

The sets of the results themselves are checked where their pictures lie in
the NYU layout below LLM_MDE_TEST_DATA.
"""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from llm_mde_mm.datasets.preparation import (
    PublicSet,
    prepare_public,
    read_sets,
)
from llm_mde_mm.utils.errors import DataError, WriteError

from .conftest import server as server
from .public_repositories import FRAMES
from .public_repositories import host as host
from .public_repositories import repositories as repositories

REAL = os.environ.get('LLM_MDE_TEST_DATA')


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob('*'))
        if path.is_file()
    }


def prepare(out, source, clones=True, **kwargs):
    sets = read_sets(source.description)
    return prepare_public(
        out, sets, source.clones if clones else None, **kwargs
    )


def test_a_killed_run_is_finished_without_a_trace(
    repositories, tmp_path, kill_during
):
    out, sound = tmp_path / 'out', tmp_path / 'sound'
    prepare(sound, repositories)
    assert kill_during(lambda: prepare(out, repositories), 4) == -9
    assert len(list(out.rglob('.*.part'))) == 1
    assert prepare(out, repositories)['written'] == 9 - 3
    assert files(out) == files(sound)


def test_pictures_are_copied_and_depth_is_in_millimetres(
    repositories, tmp_path
):
    out = tmp_path / 'out'
    done = prepare(out, repositories)
    assert done == dict(pictures=4, written=9, exact=6, close=2, other=0)
    for number, split in FRAMES.items():
        name = f'{split}/kitchen_{number:05d}'
        picture = repositories.walk / f'f-{number:03d}.jpg'
        assert (out / f'images/{name}.jpg').read_bytes() == (
            picture.read_bytes()
        )
        depth = np.array(Image.open(out / f'annotations/{name}.png'))
        assert depth.dtype == np.uint16
        assert np.array_equal(depth, repositories.depths[number])
    name = 'test/office_00001'
    rgb = np.array(Image.open(out / f'images/{name}.jpg')).astype(float)
    assert np.abs(rgb - repositories.rgb * 255).mean() < 3
    depth = np.array(Image.open(out / f'annotations/{name}.png'))
    error = np.abs(depth - repositories.metres.astype(float) * 1000)
    assert error.max() <= 0.5


def test_the_manifest_says_what_was_written(repositories, tmp_path):
    prepare(tmp_path / 'out', repositories)
    written = files(tmp_path / 'out')
    manifest = json.loads(written.pop('manifest.json'))
    assert [source['licence'] for source in manifest['sources']] == 2 * ['CC0']
    assert manifest['depth_scale'] == 0.001
    seen = {}
    for item in manifest['items']:
        for kind in ('image', 'depth'):
            seen[item[kind]] = item[f'{kind}_sha256']
            match = 'exact' if item['set'] == 'walk' else 'close'
            assert item[f'{kind}_match'] == match
    assert seen == {
        name: hashlib.sha256(data).hexdigest()
        for name, data in written.items()
    }
    assert manifest['items'][2]['name'] == 'kitchen_00004'
    assert manifest['items'][2]['split'] == 'val'


def test_the_network_gives_the_same_and_is_asked_once(host, tmp_path):
    prepare(tmp_path / 'cloned', host)
    out = tmp_path / 'fetched'
    assert prepare(out, host, clones=False)['written'] == 9
    assert files(out) == files(tmp_path / 'cloned')
    assert len(host.requests) == 8
    # Files that are there are not fetched again.
    assert prepare(out, host, clones=False)['written'] == 0
    assert len(host.requests) == 8


def test_a_missing_source_ends_the_run_until_it_is_there(
    repositories, tmp_path
):
    out, lost = tmp_path / 'out', repositories.walk / 'f-002.png'
    content = lost.read_bytes()
    lost.unlink()
    with pytest.raises(DataError, match='f-002.png.*fetch --depth 1.*0123abc'):
        prepare(out, repositories)
    assert len(files(out)) == 3
    lost.write_bytes(content)
    assert prepare(out, repositories)['written'] == 6


def test_a_server_without_the_file(host, tmp_path):
    (host.walk / 'f-000.jpg').unlink()
    with pytest.raises(DataError, match='f-000.jpg: HTTP Error 404.*--from'):
        prepare(tmp_path / 'out', host, clones=False)
    assert files(tmp_path / 'out') == {}


def test_a_broken_connection_writes_nothing(server, repositories, tmp_path):
    server.data = (repositories.walk / 'f-000.jpg').read_bytes()
    server.break_after = 200
    one = PublicSet(**{**repositories.entries[0], 'url': server.url})
    with pytest.raises(DataError, match='IncompleteRead.*same command'):
        prepare_public(tmp_path / 'out', [one], verify=False)
    assert files(tmp_path / 'out') == {}


@pytest.mark.parametrize('name', ['walk/data/f-000.jpg', 'lone/depth.npy'])
def test_other_content_is_refused_unless_asked_for(
    repositories, tmp_path, name
):
    path, out = repositories.clones / name, tmp_path / 'out'
    if name.endswith('.npy'):
        np.save(path, repositories.metres[::-1])
    else:
        path.write_bytes((repositories.walk / 'f-004.jpg').read_bytes())
    with pytest.raises(DataError, match=f'{path.name} has other content'):
        prepare(out, repositories)
    assert not (out / 'manifest.json').exists()
    assert prepare(out, repositories, verify=False)['other'] == 1
    items = json.loads((out / 'manifest.json').read_text())['items']
    matches = [i[f'{k}_match'] for i in items for k in ('image', 'depth')]
    assert matches.count('other') == 1


@pytest.mark.parametrize(
    'name, content',
    [
        ('walk/data/f-000.jpg', b'<html>not found</html>'),
        ('walk/data/f-000.jpg', b''),
        ('walk/data/f-000.png', b'\x89PNG'),
        ('walk/data/f-000.png', 'eight bits'),
        ('lone/depth.npy', b'\x93NUMPY'),
        ('lone/rgb.npy', 'eight bits'),
        ('lone/depth.npy', 'objects'),
        ('lone/depth.npy', 'negative'),
    ],
)
def test_damage_is_named_whatever_is_verified(
    repositories, tmp_path, name, content
):
    path, out = repositories.clones / name, tmp_path / 'out'
    if content == 'eight bits' and name.endswith('.npy'):
        np.save(path, (repositories.rgb * 255).astype(np.uint8))
    elif content == 'eight bits':
        Image.fromarray(np.zeros((16, 24), np.uint8)).save(path)
    elif content == 'objects':
        np.save(path, np.array([{}]), allow_pickle=True)
    elif content == 'negative':
        np.save(path, -repositories.metres)
    else:
        path.write_bytes(content)
    with pytest.raises(DataError, match=path.name):
        prepare(out, repositories, verify=False)
    assert not (out / 'manifest.json').exists()
    assert all(Image.open(out / file).size == (24, 16) for file in files(out))


def test_nothing_is_overwritten(repositories, tmp_path):
    mine = tmp_path / 'out/annotations/train/kitchen_00002.png'
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b'mine')
    with pytest.raises(
        DataError, match='kitchen_00002.png exists and differs'
    ):
        prepare(tmp_path / 'out', repositories)
    assert mine.read_bytes() == b'mine'


def test_the_same_pixels_from_another_encoder_stay(repositories, tmp_path):
    theirs = tmp_path / 'out/annotations/train/kitchen_00002.png'
    theirs.parent.mkdir(parents=True)
    Image.fromarray(repositories.depths[2]).save(theirs, compress_level=9)
    before = theirs.read_bytes()
    assert prepare(tmp_path / 'out', repositories)['exact'] == 6
    assert theirs.read_bytes() == before


def test_a_folder_of_other_sets_is_left_alone(host, tmp_path):
    sets = read_sets(host.description, ['lone'])
    prepare_public(tmp_path / 'out', sets)
    before, asked = files(tmp_path / 'out'), len(host.requests)
    with pytest.raises(DataError, match='sources are 1, asked for are 2'):
        prepare(tmp_path / 'out', host, clones=False)
    assert files(tmp_path / 'out') == before
    assert len(host.requests) == asked


def test_pictures_of_an_unfinished_run_of_other_sets(host, tmp_path):
    out = tmp_path / 'out'
    prepare_public(out, read_sets(host.description, ['lone']))
    (out / 'manifest.json').unlink()
    before, asked = files(out), len(host.requests)
    with pytest.raises(DataError, match='2 files of something else: .*office'):
        prepare_public(out, read_sets(host.description, ['walk']))
    assert files(out) == before
    assert len(host.requests) == asked


@pytest.mark.parametrize('key', ['split', 'scene'])
def test_paths_are_made_of_plain_names(repositories, tmp_path, key):
    entry = dict(repositories.entries[0])
    if key == 'scene':
        entry['scene'] = '../../../evil'
    else:
        entry['frames'] = {'../../evil': entry['frames']['train']}
    with pytest.raises(DataError, match='evil.*not a plain name'):
        prepare_public(
            tmp_path / 'a/out', [PublicSet(**entry)], repositories.clones
        )
    assert not (tmp_path / 'a').exists()


def test_an_output_folder_that_is_a_file(repositories, tmp_path):
    (tmp_path / 'out').write_text('')
    with pytest.raises(WriteError, match='out is a file'):
        prepare(tmp_path / 'out', repositories)


@pytest.mark.skipif(
    not REAL, reason='no pictures of the results: set LLM_MDE_TEST_DATA'
)
def test_the_sets_of_the_results(tmp_path):
    """Put the real files back into the form of their sources and prepare."""
    for one in read_sets():
        folder = tmp_path / 'clones' / one.folder
        for number, split in one:
            name = f'{split}/{one.scene}_{number:05d}'
            picture = Path(REAL, f'images/{name}.jpg')
            depth = np.array(Image.open(Path(REAL, f'annotations/{name}.png')))
            source, target = (
                folder / pattern.format(number)
                for pattern in (one.image, one.depth)
            )
            source.parent.mkdir(parents=True, exist_ok=True)
            target.parent.mkdir(parents=True, exist_ok=True)
            if one.means:
                np.save(source, np.array(Image.open(picture)) / 255)
                np.save(target, depth.astype(np.float32) / 1000)
            else:
                source.write_bytes(picture.read_bytes())
                depth[depth == 0] = 65535
                Image.fromarray(depth).save(target, compress_level=1)
    done = prepare_public(
        tmp_path / 'out', read_sets(), tmp_path / 'clones', verify=True
    )
    # The one JPEG that is rendered here has been through JPEG before.
    assert done == dict(pictures=114, written=229, exact=227, close=1, other=0)
    for path in Path(REAL).glob('*/*/*.png'):
        ours = tmp_path / 'out' / path.relative_to(REAL)
        assert np.array_equal(Image.open(ours), Image.open(path))
