import pytest
import torch

from llm_mde_mm.models.losses.functional import silog_loss, ssi_loss
from llm_mde_mm.utils.errors import ConfigError

LOSSES = ['ScaleShiftInvariantLoss', 'ScaleInvariantLogLoss']


def make_batch(empty=()):
    prediction = torch.rand(3, 1, 8, 10) * 5 + 1
    target = torch.rand(3, 1, 8, 10) * 5 + 1
    target[torch.rand_like(target) < 0.2] = 0
    for i in empty:
        target[i] = 0
    return prediction, target


def test_the_classes_weigh_the_functions(build):
    p, d = make_batch()
    maps = (p[:, 0], d[:, 0], d[:, 0] > 0)
    ssi = build(
        dict(
            type=LOSSES[0], loss_weight=2.0, gradient_weight=0.3, num_scales=2
        )
    )
    want = 2 * ssi_loss(*maps, gradient_weight=0.3, num_scales=2).mean()
    torch.testing.assert_close(ssi(p, d), want)
    silog = build(dict(type=LOSSES[1], loss_weight=3.0, variance_focus=0.9))
    torch.testing.assert_close(silog(p, d), 3 * silog_loss(*maps, 0.9).mean())


@pytest.mark.parametrize('name', LOSSES)
def test_an_empty_picture_is_left_out_of_the_mean(build, name):
    loss = build(dict(type=name))
    p, d = make_batch(empty=[1])
    want = loss(p[[0, 2]], d[[0, 2]])
    torch.testing.assert_close(loss(p, d), want)
    values, has_valid = loss.per_picture(p, d)
    assert has_valid.tolist() == [True, False, True]
    torch.testing.assert_close(values[has_valid].mean(), want)


@pytest.mark.parametrize('name', LOSSES)
def test_a_batch_without_measurements(build, name):
    p, d = make_batch(empty=[0, 1, 2])
    p.requires_grad_()
    value = build(dict(type=name))(p, d)
    value.backward()
    assert value.item() == 0
    assert p.grad is not None and not p.grad.any()


@pytest.mark.parametrize('name', LOSSES)
def test_masked_pixels_never_matter(build, name):
    loss = build(dict(type=name, max_depth=5.0))
    p, d = make_batch()
    d = d.where(d < 5.0, 0)
    masked = d == 0
    other_d = d.where(~masked, torch.tensor([0.0, 7.0, torch.nan])[
        torch.randint(3, d.shape)
    ])  # fmt: skip
    other_p = p.where(~masked, torch.tensor([1e4, torch.inf, torch.nan])[
        torch.randint(3, p.shape)
    ])  # fmt: skip
    values = []
    for prediction, target in ((p, d), (other_p, other_d)):
        prediction = prediction.clone().requires_grad_()
        value = loss(prediction, target)
        (gradient,) = torch.autograd.grad(value, prediction)
        assert not gradient[masked].any() and gradient[~masked].any()
        values.append(value)
    assert values[0] == values[1]


@pytest.mark.parametrize('name', LOSSES)
def test_autocast_does_not_lower_the_precision(build, name):
    loss = build(dict(type=name))
    p, d = make_batch()
    # As a head under autocast would hand it in.
    p = p.bfloat16()
    want = loss(p.float(), d)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        got = loss(p, d)
    assert got.dtype == torch.float32
    assert got == want


def test_a_name_that_mmengine_would_not_sum(build):
    with pytest.raises(ValueError, match="'ssi'.*begin with 'loss'"):
        build(dict(type=LOSSES[0], loss_name='ssi'))
    with pytest.raises(ValueError, match="'loss' is the sum"):
        build(dict(type=LOSSES[0], loss_name='loss'))
    with pytest.raises(ConfigError, match='variance_focus is 1.2'):
        build(dict(type=LOSSES[1], variance_focus=1.2))
