"""A fifth of the samples of damaged_samples.py."""

from tests.reliability.damaged_samples import problems, run, summary


def test_no_damage_passes_unseen(tmp_path):
    counts = run(tmp_path, step=5)
    assert sum(counts[True].values()) == sum(counts[False].values()) == 40
    assert problems(counts) == []
    # A hash sees each of them, whatever a decoder accepts.
    assert {what for _, what in counts[True]} == {'error'}
    assert summary(counts).startswith('damaged samples: 40: with hashes 40 e')


def test_what_must_not_be_is_told(tmp_path):
    counts = run(tmp_path, step=50)
    counts[False]['empty picture', 'changed'] += 2
    counts[True]['flipped byte, picture', 'changed'] += 1
    assert len(problems(counts)) == 2
