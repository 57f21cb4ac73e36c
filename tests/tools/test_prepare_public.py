"""The command line of tools/prepare_public.py."""

import functools

import pytest

from tests.datasets.preparation.public_repositories import host as host
from tests.datasets.preparation.public_repositories import (
    repositories as repositories,
)


@pytest.fixture
def tool(run_here):
    return functools.partial(run_here, 'tools/prepare_public.py')


def test_fetches_once(tool, host, tmp_path):
    arguments = [tmp_path / 'out', '--sets-file', host.description]
    said = tool(*arguments)
    assert 'walk: the walk; 2 train, 1 val\n    licence: CC0' in said
    assert '4 pictures, 9 files written; ' in said
    assert '6 are exact, 2 close, 0 other' in said
    assert '4 pictures, 0 files written; ' in tool(*arguments)
    assert len(host.requests) == 8


def test_one_set_from_a_clone(tool, repositories, tmp_path):
    said = tool(
        *(tmp_path / 'out', '--sets-file', repositories.description),
        *('--sets', 'lone', '--from', repositories.clones),
    )
    assert '1 pictures, 3 files written' in said
    assert 'walk' not in said


def test_licences_come_before_anything_is_fetched(
    tool, host, tmp_path, capsys
):
    (host.walk / 'f-000.jpg').unlink()
    with pytest.raises(SystemExit, match='DataError: .*f-000.jpg'):
        tool(tmp_path / 'out', '--sets-file', host.description)
    assert capsys.readouterr().out.count('licence: CC0') == 2


def test_list(tool):
    said = tool('--list')
    assert said.count('licence: ') == said.count('cite: ') == 4
    assert 'seven_scenes: 7-Scenes, redkitchen (Kinect); 60 train, 20' in said
    with pytest.raises(SystemExit, match='ConfigError: .*no set tum'):
        tool('--list', '--sets', 'tum')
    with pytest.raises(SystemExit, match='ConfigError: no output folder'):
        tool()
