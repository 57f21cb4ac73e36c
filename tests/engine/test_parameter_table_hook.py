"""What is trained, in the log before the first step."""

from types import SimpleNamespace

import pytest
from mmengine.registry import MODEL_WRAPPERS
from mmseg.registry import HOOKS
from torch import nn

from tests.engine.training import config, train

LINES = []
LOGGER = SimpleNamespace(info=LINES.append)


@MODEL_WRAPPERS.register_module()
class OuterModel(nn.Module):
    """A wrapper as that of data parallelism."""

    def __init__(self, module):
        super().__init__()
        self.module = module


def small_model():
    model = nn.Module()
    model.vision = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    model.head = nn.Linear(1000, 2)
    model.vision[0].requires_grad_(False)
    return model


@pytest.mark.parametrize('wrap', [lambda model: model, OuterModel])
@pytest.mark.parametrize(
    'depth, rows',
    [
        (
            1,
            [
                ['vision', '26', '10', '1.0e-03'],
                ['head', '2,002', '2,002', '1.0e-05', 'to', '1.0e-04'],
            ],
        ),
        (
            2,
            [
                ['vision.0', '16', '0'],
                ['vision.1', '10', '10', '1.0e-03'],
                ['head', '2,002', '2,002', '1.0e-05', 'to', '1.0e-04'],
            ],
        ),
    ],
)
def test_the_table_of_a_small_model(wrap, depth, rows):
    """Counted by hand: 3 * 4 + 4, 4 * 2 + 2 and 1000 * 2 + 2."""
    LINES.clear()
    hook = HOOKS.build(dict(type='ParameterTableHook', depth=depth))
    model = small_model()
    # A warm-up has begun; what it leads to is shown.
    groups = [
        dict(params=[*model.vision[1].parameters()], lr=1e-6, initial_lr=1e-3),
        dict(params=[model.head.weight], lr=1e-5),
        dict(params=[model.head.bias], lr=1e-4),
    ]
    optimizer = SimpleNamespace(param_groups=groups)
    hook.before_train(
        SimpleNamespace(
            model=wrap(model),
            logger=LOGGER,
            optim_wrapper=SimpleNamespace(optimizer=optimizer),
        )
    )
    (text,) = LINES
    title, *table = text.splitlines()
    assert title == 'parameters:'
    assert [line.split() for line in table] == [
        ['part', 'parameters', 'trained', 'learning', 'rate'],
        *rows,
        ['all', '2,028', '2,012'],
    ]


def test_a_training_logs_it_once_before_the_first_step(tmp_path):
    cfg = config(tmp_path, log_level='INFO')
    cfg.custom_hooks.append(dict(type='ParameterTableHook'))
    cfg.default_hooks.logger = dict(type='LoggerHook', interval=1)
    runner = train(cfg)
    (log,) = tmp_path.rglob('*.log')
    text = log.read_text()
    assert text.count('parameters:\npart') == 1
    table = text.index('parameters:\npart')
    assert table < text.index('Epoch(train)')
    trained = sum(
        p.numel() for p in runner.model.parameters() if p.requires_grad
    )
    row = next(
        line for line in text[table:].splitlines() if line.startswith('all')
    )
    assert row.split()[-1] == f'{trained:,}'
