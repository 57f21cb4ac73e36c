"""Two processes over gloo give the scores of one."""

import json

import pytest

from tests.tools.conftest import run

OPTIONS = (
    '--cfg-options',
    'train_cfg.max_epochs=2',
    'train_dataloader.dataset.num_rooms=16',
    # The order of a float32 sum alone moves the scores by a thousandth.
    'model_dtype=float64',
)


def scores(config, folder, prefix, batch_size):
    train = run(
        *prefix('train', config),
        '--work-dir',
        folder,
        *OPTIONS,
        f'train_dataloader.batch_size={batch_size}',
        OMP_NUM_THREADS='1',
        PORT='29517',
    )
    assert train.returncode == 0, train.stderr[-3000:]
    test = run(
        *prefix('test', config, folder / 'epoch_2.pth'),
        '--work-dir',
        folder,
        '--out',
        folder / 'metrics.json',
        OMP_NUM_THREADS='1',
        PORT='29518',
    )
    assert test.returncode == 0, test.stderr[-3000:]
    return json.loads((folder / 'metrics.json').read_text())


def test_two_processes_give_the_scores_of_one(tiny_config, tmp_path):
    one = scores(
        tiny_config,
        tmp_path / 'one',
        lambda tool, *args: (f'tools/{tool}.py', *args),
        batch_size=4,
    )
    two = scores(
        tiny_config,
        tmp_path / 'two',
        lambda tool, *args: ('bash', f'tools/dist_{tool}.sh', *args, 2),
        batch_size=2,
    )
    # The test set of 5 pictures is uneven over two processes.
    assert one['pictures'] == two['pictures'] == 5
    assert two.keys() == one.keys()
    for name, value in one.items():
        if isinstance(value, float | list):
            value = pytest.approx(value, rel=1e-6)
        assert two[name] == value, name
