"""The scripts of this folder, cut down to seconds."""

from tests.tools.conftest import run


def test_kill_during_save():
    done = run('tests/reliability/kill_during_save.py', '--kills', 4)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert 'kills: 4\n' in done.stdout
    assert 'ends that differ: 0\n' in done.stdout
