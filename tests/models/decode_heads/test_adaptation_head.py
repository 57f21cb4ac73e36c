import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import nn
from torch.nn import functional as F

from llm_mde_mm.models import BaseDepthHead, WithPicture
from llm_mde_mm.utils.errors import ConfigError


@pytest.fixture
def make(build, tiny_head_cfg):
    return lambda **changes: build(tiny_head_cfg(**changes))


def make_samples(*targets):
    return [
        SegDataSample(gt_depth_map=PixelData(data=target))
        for target in targets
    ]


@pytest.mark.parametrize('norm', ['GN', 'BN'])
def test_size_and_range(make, norm):
    cfg = dict(GN=dict(type='GN', num_groups=4), BN=dict(type='BN'))[norm]
    head = make(norm_cfg=cfg, min_depth=0.5, max_depth=4.0)
    layer = dict(GN=nn.GroupNorm, BN=nn.BatchNorm2d)[norm]
    assert sum(isinstance(m, layer) for m in head.modules()) == 6
    nn.init.normal_(head.out.weight, std=30.0)
    depth = head(torch.randn(2, 16, 2, 3))
    assert depth.shape == (2, 1, 16, 24) and depth.dtype == torch.float32
    assert 0.5 <= depth.min() < 0.51 and 3.99 < depth.max() <= 4.0


def test_the_formula_of_depth(make):
    head = make(min_depth=0.2, max_depth=7.0)
    features = torch.randn(1, 16, 2, 3)
    logits = head.logits(features).double()
    want = 0.2 + 6.8 / (1 + torch.exp(-logits))
    torch.testing.assert_close(
        head(features).double(), want, rtol=1e-6, atol=0
    )


@torch.no_grad()
def test_a_block_agrees_with_its_description(make):
    block = make(channels=(8, 4)).blocks[1]
    inputs = torch.randn(1, 8, 3, 5)

    def convolve(x, conv, norm):
        x = F.pad(x, (1, 1, 1, 1), mode='replicate')
        x = F.conv2d(x, conv.weight, conv.bias)
        return F.group_norm(x, 2, norm.weight, norm.bias)

    # The other order, which is the same and costs more.
    x = F.interpolate(inputs, size=(6, 10), mode='bilinear')
    x = F.conv2d(x, block.width.weight, block.width.bias)
    inner = F.elu(convolve(x, block.conv1, block.norm1))
    want = x + convolve(inner, block.conv2, block.norm2)
    torch.testing.assert_close(block(inputs), want, rtol=0, atol=1e-5)


@pytest.mark.parametrize('depth', [0.8, 2.5, 9.0])
def test_the_initial_depth(make, depth):
    head = make(initial_depth=depth)
    out = head(torch.randn(4, 16, 6, 6))
    assert out.mean().item() == pytest.approx(depth, rel=0.05)
    assert out.std() > 0


def test_other_numbers_of_blocks(make):
    assert make(channels=(8, 4))(torch.randn(1, 16, 2, 3)).shape[2:] == (8, 12)


def test_under_autocast(make):
    head, features = make(), torch.randn(1, 16, 2, 3)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        depth = head(features)
    assert depth.dtype == torch.float32
    torch.testing.assert_close(depth, head(features), rtol=0.02, atol=0)


@pytest.mark.parametrize(
    'changes, message',
    [
        (dict(min_depth=3.0, max_depth=3.0), 'make no range'),
        (dict(min_depth=-1.0), 'make no range'),
        (dict(initial_depth=10.0), 'initial_depth 10.0 m lies outside'),
        (dict(initial_depth=0.0), 'initial_depth 0.0 m lies outside'),
        (
            dict(loss_decode=[dict(type='ScaleInvariantLogLoss')] * 2),
            'give each its own loss_name',
        ),
        (
            dict(loss_decode=[dict(type='CrossEntropyLoss')]),
            'has a CrossEntropyLoss, which has no per_picture',
        ),
    ],
)
def test_wrong_settings(make, changes, message):
    with pytest.raises(ConfigError, match=message):
        make(**changes)


def test_loss_is_taken_at_the_ground_truths_size(make):
    head, features = make(), torch.randn(2, 16, 2, 3)
    target = torch.rand(2, 1, 20, 30) * 5
    got = head.loss(features, make_samples(*target), None)
    assert set(got) == {'loss_ssi', 'loss_silog'}
    depth = F.interpolate(head(features), (20, 30), mode='bilinear')
    for loss in head.losses:
        want = loss(depth, target)
        torch.testing.assert_close(got[loss.loss_name], want)


def test_loss_of_a_picture(make):
    head = make()
    depth, target = torch.rand(3, 1, 8, 9) + 1, torch.rand(3, 1, 8, 9) + 1
    target[1] = 0
    values = [
        head.picture_loss(p, t) for p, t in zip(depth, target, strict=True)
    ]
    assert values[1] is None
    for loss in head.losses:
        # The training loss of the batch is the mean over the two pictures.
        mean = (values[0][loss.loss_name] + values[2][loss.loss_name]) / 2
        assert mean == pytest.approx(loss(depth, target).item(), rel=1e-5)


@pytest.mark.parametrize(
    'meta, size',
    [
        (dict(img_shape=(20, 30)), (20, 30)),
        (dict(img_shape=(20, 30), pad_shape=(32, 48)), (32, 48)),
        (dict(img_shape=(20, 30, 3), pad_shape=None), (20, 30)),
    ],
)
def test_prediction_is_at_the_inputs_size(make, meta, size):
    head, features = make(), torch.randn(2, 16, 2, 3)
    got = head.predict(features, [meta] * 2, None)
    want = F.interpolate(head(features), size, mode='bilinear')
    torch.testing.assert_close(got, want)


def test_a_head_of_ones_own():
    class Mean(BaseDepthHead):
        def logits(self, features):
            return features.mean(1, keepdim=True)

    head = Mean(loss_decode=[], min_depth=1.0, max_depth=3.0)
    assert head(torch.zeros(1, 4, 2, 2)).unique().tolist() == [2.0]


@torch.no_grad()
def test_no_border_and_no_checkerboard(make):
    """Features that are the same everywhere give the same depth everywhere."""
    head = make(norm_cfg=dict(type='BN')).eval()
    torch.nn.init.normal_(head.out.weight)
    depth = head(torch.randn(1, 16, 1, 1).expand(-1, -1, 3, 4))
    assert depth.std() < 1e-5


def with_picture(batch=1, size=(2, 3), picture=(32, 48)):
    return WithPicture(
        torch.randn(batch, 16, *size), torch.randn(batch, 3, *picture)
    )


@torch.no_grad()
def test_a_block_reads_the_picture_at_its_own_size(make):
    block = make(picture_channels=4).blocks[0]
    inputs, picture = torch.randn(1, 8, 3, 5), torch.randn(1, 3, 24, 40)

    def convolve(x, conv):
        x = F.pad(x, (1, 1, 1, 1), mode='replicate')
        return F.conv2d(x, conv.weight, conv.bias)

    def normed(x, norm):
        return F.group_norm(x, 2, norm.weight, norm.bias)

    x = F.interpolate(inputs, size=(6, 10), mode='bilinear')
    seen = F.elu(convolve(F.avg_pool2d(picture, 4), block.picture))
    both = torch.cat([x, seen], 1)
    inner = F.elu(normed(convolve(both, block.conv1), block.norm1))
    want = x + normed(convolve(inner, block.conv2), block.norm2)
    got = block(inputs, picture)
    torch.testing.assert_close(got, want, rtol=0, atol=1e-5)


@torch.no_grad()
def test_a_pixel_of_the_picture_moves_the_depth_there(make):
    """At the picture's own size, with the features held fixed."""
    head = make(picture_channels=4)
    nn.init.normal_(head.out.weight, std=0.3)
    nn.init.normal_(head.full_size.out.weight, std=0.3)
    features, picture = with_picture()
    before = head(WithPicture(features, picture))
    assert before.shape == (1, 1, 32, 48)
    picture = picture.clone()
    picture[0, :, 13, 21] += 3
    change = (head(WithPicture(features, picture)) - before).abs()[0, 0]
    # Sharply: most at the pixel and its neighbours, which the first
    # convolution and the last join to it.
    near = change[11:16, 19:24]
    assert near.max() == change.max() > 0.1
    far = change[[0, -1]]
    assert far.mean() < near.mean() / 4


def test_an_untrained_head_with_the_picture(make):
    out = make(initial_depth=2.0, picture_channels=4)(with_picture(4))
    assert out.mean().item() == pytest.approx(2.0, rel=0.05)
    assert out.std() > 0


@torch.no_grad()
def test_no_border_with_an_even_picture(make):
    head = make(norm_cfg=dict(type='BN'), picture_channels=4).eval()
    torch.nn.init.normal_(head.full_size.out.weight)
    depth = head(
        WithPicture(
            torch.randn(1, 16, 1, 1).expand(-1, -1, 3, 4),
            torch.randn(1, 3, 1, 1).expand(-1, -1, 48, 64),
        )
    )
    assert depth.std() < 1e-5


def test_the_picture_leaves_the_default_head_as_it_is(make):
    with_it = dict(make(picture_channels=4).named_parameters())
    without = dict(make().named_parameters())
    added = {
        'picture.weight', 'picture.bias', 'full_size.features.weight',
        'full_size.picture.weight', 'full_size.picture.bias',
        'full_size.out.weight',
    }  # fmt: skip
    assert {
        n.removeprefix(f'blocks.{n[7]}.') for n in with_it.keys() - without
    } == added
    assert not without.keys() - with_it.keys()


def test_the_picture_is_asked_for(make):
    with pytest.raises(ConfigError, match='picture_channels needs the pic'):
        make(picture_channels=4)(torch.randn(1, 16, 2, 3))
    with pytest.raises(ConfigError, match='picture_channels is 0'):
        make(picture_channels=0)
