"""The losses of 20 steps, as they were committed (RELIABILITY 13)."""

import numpy as np

from tests.engine.training import config, train

# In float64, without dropout, whose draws differ between processors. To be
# written anew when the method, the rooms or the tiny config change.
GOLDEN = [
    1.81256299,
    1.48475582,
    1.26702846,
    1.35321008,
    1.78272078,
    1.40833297,
    1.13675639,
    1.41906856,
    1.59237963,
    1.68058224,
    1.53561942,
    1.67923313,
    1.20999419,
    1.26797878,
    1.30961277,
    1.22338825,
    1.14874069,
    0.83790393,
    1.74578541,
    1.73114221,
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
