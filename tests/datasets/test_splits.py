import hashlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_mde_mm.datasets.nyu_depth import NYUDepthDataset
from llm_mde_mm.datasets.preparation import read_split
from llm_mde_mm.datasets.splits import (
    choose,
    evenly_spaced,
    from_list,
    k_shot,
    of_scenes,
    one_of_each_room,
    scene_of,
    short_types,
    split_digest,
)
from llm_mde_mm.utils.errors import ConfigError, DataError, LLMMDEError

SCENES = ('kitchen', 'living_room', 'study', 'study_room', 'office_kitchen')


def make_names(**counts):
    return [f'{s}_{i:05}' for s, n in counts.items() for i in range(n)]


NAMES = make_names(kitchen=6, living_room=9, study=2)
DIGEST = '9717e3f3e77c'
some_names = st.sets(
    st.builds('{}_{:04}'.format, st.sampled_from(SCENES), st.integers(0, 99)),
    min_size=1,
    max_size=60,
).map(sorted)


@pytest.mark.parametrize(
    'name, scene',
    [
        ('kitchen_00045', 'kitchen'),
        ('living_room_1', 'living_room'),
        ('study_room_2_0003', 'study_room_2'),
        ('bookstore_0001d_00001', 'bookstore'),
        ('living_room_0042_17', 'living_room'),
        ('nyu_office_0_00012', 'office'),
    ],
)
def test_scene_of(name, scene):
    assert scene_of(name) == scene


@pytest.mark.parametrize('name', ['kitchen', '_12', 'room_', 'a_1b', 'a_²'])
def test_scene_of_other_names(name):
    with pytest.raises(DataError, match=f"'{name}'.*<scene>_<number>"):
        scene_of(name)


def test_evenly_spaced_formula():
    names = make_names(kitchen=60)
    # floor(i * 60 / 28), worked out by hand for the first and last ones.
    places = [names.index(name) for name in evenly_spaced(names, 28)]
    assert places[:8] == [0, 2, 4, 6, 8, 10, 12, 15]
    assert places[-3:] == [53, 55, 57]
    assert len(set(places)) == 28


@given(some_names, st.data())
def test_evenly_spaced_gaps_differ_by_at_most_one(names, data):
    n = data.draw(st.integers(1, len(names)))
    chosen = evenly_spaced(random.sample(names, len(names)), n)
    places = [names.index(name) for name in chosen] + [len(names)]
    gaps = [b - a for a, b in zip(places, places[1:], strict=False)]
    assert len(chosen) == n and max(gaps) - min(gaps) <= 1


def test_k_shot_of_the_27_scene_types():
    scenes = NYUDepthDataset.METAINFO['classes']
    assert len(set(scenes)) == 27
    # Sizes as in the official training set: six types have fewer than 4.
    few = dict(zip(scenes, (1, 2, 2, 3, 3, 3), strict=False))
    names = make_names(**{scene: few.get(scene, 20) for scene in scenes})
    sizes = [len(k_shot(names, k)) for k in (1, 2, 3, 4)]
    assert sizes == [27, 1 + 2 * 26, 1 + 4 + 3 * 24, 1 + 4 + 9 + 4 * 21]


def test_k_shot_draw_is_the_documented_one():
    names = make_names(kitchen=30)
    smallest = min(
        names, key=lambda n: hashlib.sha256(f'7:{n}'.encode()).hexdigest()
    )
    assert k_shot(names, 1, seed=7) == [smallest]
    assert len({tuple(k_shot(names, 1, seed=s)) for s in range(10)}) > 3


@given(some_names, st.integers(0, 5), st.randoms(), st.data())
def test_k_shot_properties(names, seed, rng, data):
    groups = {s: [n for n in names if scene_of(n) == s] for s in SCENES}
    k = data.draw(st.integers(1, max(map(len, groups.values()))))
    chosen = k_shot(names, k, seed)
    assert set(chosen) <= set(names)
    for scene, group in groups.items():
        drawn = [n for n in chosen if scene_of(n) == scene]
        assert len(drawn) == min(k, len(group))
        if len(group) >= k:  # the other scene types change nothing
            assert drawn == k_shot(group, k, seed)
    assert k_shot(rng.sample(names, len(names)), k, seed) == chosen
    assert k == 1 or set(k_shot(names, k - 1, seed)) < set(chosen)


def test_of_scenes():
    assert of_scenes(NAMES, ['study', 'kitchen']) == make_names(
        kitchen=6, study=2
    )
    assert of_scenes(NAMES, 'study') == make_names(study=2)
    with pytest.raises(
        DataError, match='type cave; there are kitchen, living_room, study'
    ):
        of_scenes(NAMES, ['kitchen', 'cave'])


def test_from_list(tmp_path):
    path = tmp_path / 'list.txt'
    path.write_text(
        '# chosen by hand\n\ntrain/kitchen_00003.jpg  # dark\n'
        'kitchen_00001\r\nimages\\train\\living_room_00002.PNG\n'
        'rooms_v1.2_0001\n'
    )
    expected = ['kitchen_00001', 'kitchen_00003', 'living_room_00002']
    assert from_list(path) == [*expected, 'rooms_v1.2_0001']
    path.write_text('a#1\nb  # the next one\n')
    assert from_list(path, ['a#1', 'b']) == ['a#1', 'b']
    path.write_text('\n'.join([*expected, 'rooms_v1.2_0001']))
    with pytest.raises(DataError, match='list.txt.* 1 pic.*rooms_v1.2_0001$'):
        from_list(path, NAMES)
    with pytest.raises(DataError, match='rooms_v1.2_0001'):
        choose(NAMES, dict(list_file=str(path)))


@pytest.mark.parametrize(
    'content, message',
    [
        (None, 'cannot read list_file .*list.txt'),
        (b'# nothing\n', 'list.txt.* is empty'),
        (b'a_1\nb_2\ntrain/a_1.jpg\n', 'list.txt.* lists twice: a_1$'),
        (b'\xff\xd8\xff', 'cannot read list_file .*list.txt'),
    ],
)
def test_from_list_errors(tmp_path, content, message):
    path = tmp_path / 'list.txt'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        from_list(path)


@pytest.mark.parametrize(
    'rule, error, message',
    [
        (dict(shot=1), ConfigError, "no key 'shot'; there are shots, rooms, "),
        (dict(then=dict(n=1)), ConfigError, "no key 'n'"),
        (dict(shots=0), ConfigError, 'shots must be .* got 0'),
        (dict(shots=True), ConfigError, 'shots must be .* got True'),
        (dict(shots=1.5), ConfigError, 'shots must be .* got 1.5'),
        (dict(evenly_spaced=-1), ConfigError, 'evenly_spaced must be .* -1'),
        (dict(complement='no'), ConfigError, "complement cannot be 'no'"),
        (dict(scenes=3), ConfigError, 'scenes cannot be 3'),
        ('kitchen', ConfigError, "must be a dict, got 'kitchen'"),
        (dict(shots=10), DataError, 'shots=10.*living_room, has 9 pictures'),
        (dict(evenly_spaced=18), DataError, 'evenly_spaced=18.* the 17 '),
        (dict(scenes=['cave']), DataError, 'cave'),
    ],
)
def test_rule_errors(rule, error, message):
    assert issubclass(error, LLMMDEError) and issubclass(error, ValueError)
    with pytest.raises(error, match=message):
        choose(NAMES, rule)


def test_rule_steps_apply_in_order():
    rule = dict(scenes=['living_room', 'kitchen'], shots=3, evenly_spaced=2)
    drawn = k_shot(of_scenes(NAMES, ['kitchen', 'living_room']), 3)
    assert choose(NAMES, rule) == [drawn[0], drawn[3]]
    inherited = dict(scenes=None, shots=None, then=None, seed=None)
    assert choose(NAMES, inherited) == choose(NAMES, None) == sorted(NAMES)


@given(some_names, st.integers(0, 3), st.data())
def test_complement_is_the_disjoint_rest(names, seed, data):
    n = data.draw(st.integers(1, len(names)))
    for rule in (
        dict(shots=1, seed=seed),
        dict(evenly_spaced=n),
        dict(scenes=[scene_of(names[0])]),
    ):
        chosen = choose(names, rule)
        rest = choose(names, dict(rule, complement=True))
        assert chosen and not set(chosen) & set(rest)
        assert sorted(chosen + rest) == names


def test_validation_beside_one_shot():
    train = choose(NAMES, dict(shots=1, seed=3))
    val = choose(
        NAMES,
        dict(shots=1, seed=3, complement=True, then=dict(evenly_spaced=7)),
    )
    rest = sorted(set(NAMES) - set(train))
    assert val == [rest[i] for i in (0, 2, 4, 6, 8, 10, 12)]


def test_split_digest():
    # printf 'a_1\nb_2' | sha256sum
    assert split_digest(['b_2', 'a_1']) == DIGEST
    assert split_digest(['a_1', 'b_3']) != DIGEST


# First picture, counted from 1 as in the labelled file, of each run of one
# scene type: for training pictures by the rooms in Marigold's list of them,
# for test pictures by the folders in AdaBins' list.
RUNS = """
1 kitchen 3 office 44 bathroom 50 living_room 56 bedroom 84 bookstore 120 cafe
125 kitchen 146 living_room 170 bathroom 171 bedroom 194 kitchen
207 living_room 213 office 217 bedroom 223 furniture_store 250 kitchen
255 living_room 271 office 273 study_room 280 bedroom 284 classroom
333 computer_lab 339 conference_room 344 dinette 348 excercise_room 351 foyer
355 home_office 398 home_storage 403 indoor_balcony 405 laundry_room
408 office_kitchen 418 playroom 449 printer_room 452 reception_room 469 study
490 basement 497 bathroom 514 bedroom 544 dining_room 552 home_office
559 kitchen 579 living_room 608 office 639 student_lounge 644 study
648 bathroom 745 kitchen 909 bedroom 1201 living_room 1341 dining_room
"""


def test_k_shot_of_the_official_training_set():
    words = RUNS.split()
    starts = dict(zip(map(int, words[::2]), words[1::2], strict=True))
    names, scene = [], ''
    for i, split in read_split().items():
        scene = starts.get(i + 1, scene)
        if split == 'train':
            names.append(f'{scene}_{i:05}')
    assert {scene_of(n) for n in names} == set(
        NYUDepthDataset.METAINFO['classes']
    )
    assert len(names) == 795
    assert [len(k_shot(names, k)) for k in (1, 2, 3, 4)] == [27, 54, 79, 100]
    two = ('foyer', 'indoor_balcony')
    three = ('computer_lab', 'excercise_room', 'laundry_room', 'printer_room')
    few = [f'{t} {2 if t in two else 3}' for t in sorted(two + three)]
    text = f'fewer than 4 of: {", ".join(few)}'
    assert short_types(names, dict(shots=4)) == [text]


def room_of(name):
    """Three pictures a room."""
    return f'{scene_of(name)}_{int(name.rpartition("_")[2]) // 3}'


@given(some_names, st.integers(0, 5), st.randoms(), st.data())
def test_rooms_are_a_function_of_names_and_seed(names, seed, rng, data):
    rooms = {room_of(name) for name in names}
    n = data.draw(st.integers(1, len(rooms)))
    chosen = one_of_each_room(names, n, seed, room_of)
    assert len({room_of(name) for name in chosen}) == len(chosen) == n
    assert set(chosen) <= set(names)
    shuffled = rng.sample(names, len(names))
    assert one_of_each_room(shuffled, n, seed, room_of) == chosen
    if n > 1:
        fewer = one_of_each_room(names, n - 1, seed, room_of)
        assert set(fewer) < set(chosen)
    rule = dict(rooms=n, seed=seed)
    assert choose(names, rule, room_of=room_of) == chosen
    rest = choose(names, dict(rule, complement=True), room_of=room_of)
    assert sorted(chosen + rest) == names


def test_rooms_are_drawn_as_documented():
    names = make_names(kitchen=30)

    def rank(text):
        return hashlib.sha256(f'7:{text}'.encode()).hexdigest()

    room = min({room_of(name) for name in names}, key=rank)
    picture = min((n for n in names if room_of(n) == room), key=rank)
    assert one_of_each_room(names, 1, 7, room_of) == [picture]
    seeds = {tuple(one_of_each_room(names, 3, s, room_of)) for s in range(9)}
    assert len(seeds) > 3


def test_rooms_that_are_too_many_or_unknown():
    with pytest.raises(DataError, match='rooms=7 .* the 6 rooms'):
        choose(NAMES, dict(rooms=7), room_of=room_of)
    with pytest.raises(DataError, match='rooms=... needs data'):
        choose(NAMES, dict(rooms=1))
    with pytest.raises(ConfigError, match='rooms must be .* got 0'):
        choose(NAMES, dict(rooms=0), room_of=room_of)


def test_short_types_count_after_scenes():
    rule = dict(scenes=['kitchen', 'study'], shots=3)
    assert short_types(NAMES, rule) == ['fewer than 3 of: study 2']
    assert short_types(NAMES, dict(evenly_spaced=2)) == []
    assert short_types(NAMES, None) == []


def test_short_types_of_each_rule_in_a_rule():
    # Of 6 kitchens, 9 living rooms and 2 studies, the complement leaves 1, 4
    # and none.
    rest = dict(shots=3)
    rule = dict(shots=5, complement=True, then=rest)
    texts = ['fewer than 5 of: study 2', 'fewer than 3 of: kitchen 1']
    assert short_types(NAMES, rule) == texts
    assert short_types(NAMES, dict(then=dict(then=rule))) == texts
