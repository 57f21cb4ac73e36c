import cv2
import numpy as np
import pytest
from mmseg.registry import TRANSFORMS

from llm_mde_mm.datasets.transforms import RandomRotatePair, VerticalCutDepth
from llm_mde_mm.utils.errors import ConfigError


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    return dict(
        img=rng.integers(1, 256, (40, 60, 3), np.uint8),
        gt_depth_map=rng.choice([1.5, 2.5, 8.0], (40, 60)).astype(np.float32),
    )


def copy_of(pair):
    return {key: value.copy() for key, value in pair.items()}


def test_a_half_turn_is_two_mirrorings(pair, monkeypatch):
    step = RandomRotatePair(degree=180, prob=1)
    monkeypatch.setattr(step, '_draw', lambda: 180.0)
    turned = step(copy_of(pair))
    for key in pair:
        np.testing.assert_array_equal(turned[key], pair[key][::-1, ::-1])


def test_depth_moves_with_the_picture(monkeypatch):
    """A bright square 9 pixels wide is where its depth is, also turned."""
    image = np.zeros((61, 61, 3), np.uint8)
    image[10:19, 40:49] = 255
    depth = np.where(image[..., 0] > 0, 2, 5).astype(np.float32)
    step = RandomRotatePair(prob=1)
    monkeypatch.setattr(step, '_draw', lambda: 30.0)
    turned = step(dict(img=image, gt_depth_map=depth))
    near = turned['gt_depth_map'] == 2
    # Counter-clockwise about (30, 30), y down: (14, -16) to (4.12, -20.86).
    np.testing.assert_allclose(
        np.argwhere(near).mean(0), (30 - 20.86, 30 + 4.12), atol=0.2
    )
    bright = turned['img'][..., 0] > 127
    assert (bright != near).sum() <= 8
    assert set(np.unique(turned['gt_depth_map'])) == {0, 2, 5}
    assert turned['gt_depth_map'][0, 0] == 0  # came from outside


def test_angles_and_probability(pair):
    np.random.seed(0)
    step = RandomRotatePair(degree=2.5, prob=0.5)
    angles = np.array([step._draw() for _ in range(2000)])
    assert abs((angles == 0).mean() - 0.5) < 0.05
    assert 2.4 < angles.max() <= 2.5 and -2.5 <= angles.min() < -2.4
    left = RandomRotatePair(prob=0)(copy_of(pair))
    np.testing.assert_array_equal(left['img'], pair['img'])


def test_strip_of_depth(pair, monkeypatch):
    pair['gt_depth_map'][5] = 0
    step = VerticalCutDepth(max_depth=5, max_share=0.5, prob=1)
    monkeypatch.setattr(step, '_draw', lambda: (True, 0.2, 0.5))
    before = copy_of(pair)
    out = step(pair)
    # Left edge 0.2 x 60 = 12, width (60 - 12) x 0.5 x 0.5 = 12.
    strip = slice(12, 24)
    depth = before['gt_depth_map'][:, strip, None]
    grey = np.rint(np.minimum(depth / 5, 1) * 255)
    expected = before['img'].copy()
    expected[:, strip] = np.where(depth > 0, grey, expected[:, strip])
    np.testing.assert_array_equal(out['img'], expected)
    assert out['img'].dtype == np.uint8
    np.testing.assert_array_equal(out['gt_depth_map'], before['gt_depth_map'])


def test_strip_stays_inside(pair, monkeypatch):
    step = VerticalCutDepth(prob=1, max_share=1)
    for a, b in ((0.999, 0.0), (0.0, 0.999), (0.999, 0.999)):
        monkeypatch.setattr(step, '_draw', lambda a=a, b=b: (True, a, b))
        out = step(copy_of(pair))
        changed = (out['img'] != pair['img']).any((0, 2)).sum()
        assert changed >= 1


@pytest.mark.parametrize(
    'cfg',
    [
        dict(type='RandomRotatePair', degree=-1),
        dict(type='RandomRotatePair', degree=181),
        dict(type='RandomRotatePair', prob=1.1),
        dict(type='VerticalCutDepth', prob=-0.1),
        dict(type='VerticalCutDepth', max_depth=0),
        dict(type='VerticalCutDepth', max_share=0),
    ],
)
def test_malformed_arguments(cfg):
    with pytest.raises(ConfigError, match=cfg['type']):
        TRANSFORMS.build(cfg)


@pytest.mark.parametrize('name', ['RandomRotatePair', 'VerticalCutDepth'])
def test_sizes_that_differ(pair, name):
    step = TRANSFORMS.build(dict(type=name, prob=1))
    assert name in repr(step) and 'prob=1' in repr(step)
    pair['img'] = cv2.resize(pair['img'], (30, 20))
    with pytest.raises(ConfigError, match=f'{name}.*ResizePair'):
        step(pair)
    alone = step(dict(img=pair['img']))  # a picture without depth
    assert alone['img'].shape == (20, 30, 3)
