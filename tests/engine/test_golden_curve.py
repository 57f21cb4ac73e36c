"""The losses of 20 steps, as they were committed (RELIABILITY 13)."""

import numpy as np

from tests.engine.training import config, train

# In float64, without dropout, whose draws differ between processors. To be
# written anew when the method, the rooms or the tiny config change.
GOLDEN = [
    1.57862973,
    1.51661159,
    1.39494327,
    1.34731256,
    1.77015021,
    1.40696938,
    1.25510002,
    1.49046316,
    1.32679294,
    1.72231952,
    1.59717081,
    1.49511981,
    1.27248187,
    1.29432956,
    1.44405206,
    1.35888429,
    1.25313908,
    1.02013448,
    1.76301771,
    1.63927355,
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
