"""The vision model alone, in the language model's place."""

import torch

from tests.conftest import TINY_VIT


def test_the_map_is_the_vision_models_tokens(build):
    vision = dict(TINY_VIT, blocks=[0, 1])
    backbone = build(dict(type='VisionDepthBackbone', vision=vision)).eval()
    inputs = torch.randn(2, 3, 32, 48)
    with torch.no_grad():
        features = backbone(inputs)
        # timm itself, without its class token.
        tokens = backbone.vision.model.forward_features(inputs)[:, 1:]
    h, w = 2, 3
    assert features.patch_map.shape == (2, 24, h, w)
    for row in range(h):
        for column in range(w):
            torch.testing.assert_close(
                features.patch_map[:, :, row, column],
                tokens[:, row * w + column],
            )
    assert features.prompt_states.shape == (2, 0, 24)
    assert features.prompt_mask.shape == (2, 0)
    assert len(features.vision_maps) == 2
    assert torch.equal(features.vision_maps[1], features.patch_map)


def test_a_model_of_it_trains_every_parameter(build, tiny_model_cfg):
    cfg = tiny_model_cfg(
        backbone=dict(type='VisionDepthBackbone', vision=dict(TINY_VIT))
    )
    model = build(cfg)
    assert not hasattr(model.backbone, 'language')
    depth = model(torch.randn(2, 3, 32, 48))
    assert depth.shape == (2, 1, 32, 48)
    depth.log().square().sum().backward()
    for name, parameter in model.named_parameters():
        assert not parameter.requires_grad or parameter.grad is not None, name
