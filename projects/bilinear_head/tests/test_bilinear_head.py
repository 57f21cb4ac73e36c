import torch
from mmseg.registry import MODELS

from projects.bilinear_head.bilinear_head import BilinearHead


def test_head_is_registered_and_gives_metres():
    head = MODELS.build(
        dict(
            type='BilinearHead',
            in_channels=8,
            max_depth=5.0,
            loss_decode=[dict(type='ScaleInvariantLogLoss')],
        )
    )
    assert isinstance(head, BilinearHead)
    features = torch.randn(2, 8, 3, 4)
    depth = head.predict(features, [dict(img_shape=(48, 64))], None)
    assert depth.shape == (2, 1, 48, 64)
    assert 0 < depth.min() and depth.max() < 5.0
    # The layer is all there is: its bias alone moves every pixel.
    with torch.no_grad():
        head.linear.bias += 1.0
    assert (
        head.predict(features, [dict(img_shape=(48, 64))], None) > depth
    ).all()
