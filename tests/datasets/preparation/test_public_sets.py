import json
from collections import Counter

import pytest

from llm_mde_mm.datasets.preparation import read_sets
from llm_mde_mm.utils.errors import ConfigError, DataError

from .public_repositories import repositories as repositories


def test_the_frames_of_the_results():
    sets = {one.name: list(one) for one in read_sets()}
    count = Counter(f.split for frames in sets.values() for f in frames)
    # As docs/results.md describes them.
    assert count == dict(train=60, val=20, test=34)
    numbers = [frame.number for frame in sets['seven_scenes']]
    assert numbers == [*range(0, 591, 10), *range(640, 793, 8)]
    assert len(sets['icl_nuim']) == 30
    assert [f.number for f in sets['nyu_metric3d']] == [0, 50, 100]


def test_each_set_is_pinned_and_names_its_licence():
    for one in read_sets():
        owner_and_name = one.repository.removeprefix('https://github.com/')
        prefix = f'https://raw.githubusercontent.com/{owner_and_name}/'
        assert one.url.startswith(f'{prefix}{one.commit}/')
        assert len(one.commit) == 40 and int(one.commit, 16)
        # The same place in a clone.
        inside = one.url.removeprefix(f'{prefix}{one.commit}/')
        name = owner_and_name.split('/')[1]
        assert f'{one.folder}/' == f'{name}/{inside}'
        assert one.licence and one.citation
        hashes = [h for pair in one.sha256.values() for h in pair]
        assert all(len(h) == 64 and int(h, 16) for h in hashes)
        assert len(set(hashes)) == len(hashes)


def test_some_of_the_sets(repositories):
    def names(wanted):
        chosen = read_sets(repositories.description, wanted)
        return [one.name for one in chosen]

    assert names(None) == ['walk', 'lone']
    assert names(['lone']) == ['lone']
    assert names(['lone', 'walk', 'lone']) == ['walk', 'lone']
    with pytest.raises(ConfigError, match='no set tum.*walk, lone'):
        names(['tum', 'lone'])


@pytest.mark.parametrize(
    'change',
    [
        dict(frames=dict(train=[0, 6, 2])),
        dict(frames=dict(train=[0, 2])),
        dict(frames=dict(train=[0, 2, 0])),
        dict(image='{frame}.jpg'),
        dict(depth='{}{}.png'),
        dict(unknown=1),
    ],
)
def test_a_malformed_description(repositories, change):
    repositories.entries[0].update(change)
    content = json.dumps(dict(sets=repositories.entries))
    repositories.description.write_text(content)
    with pytest.raises(DataError, match='sets.json: not a list of sets'):
        read_sets(repositories.description)


def test_no_description(tmp_path):
    with pytest.raises(DataError, match='none.json.*No such file'):
        read_sets(tmp_path / 'none.json')
