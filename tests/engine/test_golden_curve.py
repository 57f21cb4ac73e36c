"""The losses of 20 steps, as they were committed (RELIABILITY 13)."""

import numpy as np

from tests.engine.training import config, train

# In float64, without dropout, whose draws differ between processors. To be
# written anew when the method, the rooms or the tiny config change.
GOLDEN = [
    1.78137396,
    1.49077729,
    1.37831076,
    1.21108863,
    1.71426684,
    1.33231018,
    1.39381165,
    1.57412170,
    1.21399371,
    1.66391243,
    1.51501473,
    1.53272758,
    1.19199153,
    1.29711369,
    1.29623592,
    1.26487964,
    1.25750804,
    1.01756471,
    1.55570212,
    1.59471702,
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
    # Without AVX, in NumPy and torch alike, they move by 2e-6 at most.
    np.testing.assert_allclose(losses, GOLDEN, rtol=2e-5)
