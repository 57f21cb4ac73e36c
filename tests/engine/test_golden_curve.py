"""The losses of 20 steps, as they were committed (RELIABILITY 13)."""

import numpy as np

from tests.engine.training import config, train

# In float64, without dropout, whose draws differ between processors. To be
# written anew when the method, the rooms or the tiny config change.
GOLDEN = [
    1.64797838,
    1.53489783,
    1.39138944,
    1.40515787,
    1.77808553,
    1.36708870,
    1.18866088,
    1.50579753,
    1.50235544,
    1.88869315,
    1.58180157,
    1.68570944,
    1.25931164,
    1.42547451,
    1.31761213,
    1.27606463,
    1.24205783,
    1.01486627,
    1.72653483,
    1.64396501,
]


def test_the_losses_of_20_steps(tmp_path):
    cfg = config(
        tmp_path,
        dropout=0.0,
        **{
            'model_dtype': 'float64',
            'train_cfg.max_epochs': 4,
            'train_cfg.val_interval': 9,
            'param_scheduler.1.T_max': 4,
            'default_hooks.checkpoint.save_best': None,
        },
    )
    runner = train(cfg)
    losses = runner.message_hub.get_scalar('train/loss').data[0]
    # Without AVX, in NumPy and torch alike, they move by 1e-6 at most.
    np.testing.assert_allclose(losses, GOLDEN, rtol=2e-5)
