"""The whole network in one graph, without a look at the host."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode


class NoHostRead(TorchDispatchMode):
    """Refuses every operator whose outcome the host has to wait for."""

    FORBIDDEN = (
        '_local_scalar_dense',
        'nonzero',
        'is_nonzero',
        'equal',
        'masked_select',
        'unique',
    )

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__.partition('.')[0]
        if name in self.FORBIDDEN:
            raise AssertionError(f'{func} reads a value on the host')
        return func(*args, **(kwargs or {}))


@pytest.fixture(params=['none', 'fixed', 'adaptive', 'learned', 'picture'])
def model(request, build, tiny_model_cfg):
    mode = request.param
    changes = dict(backbone__prompt__mode=mode)
    if mode == 'learned':
        changes = dict(backbone__prompt__distance_mode=mode)
    elif mode == 'picture':
        changes = dict(decode_head__picture_channels=4)
    return build(tiny_model_cfg(**changes)).eval()


def pictures():
    """One dark and one bright, so that their prompts differ in length."""
    return torch.rand(2, 3, 32, 48) + torch.tensor([-2.0, 1.0]).view(
        2, 1, 1, 1
    )


@torch.no_grad()
def test_one_graph_and_the_same_depth(model):
    inputs = pictures()
    want = model(inputs, mode='tensor')
    compiled = torch.compile(
        lambda x: model(x, mode='tensor'), fullgraph=True, backend='eager'
    )
    torch.testing.assert_close(compiled(inputs), want, rtol=1e-5, atol=1e-5)
    # The kept keys and values are dropped where weights may have changed.
    model.backbone.prototypes.mapping.data.normal_()
    model.backbone.reprogramming.query.weight.data.normal_()
    model.eval()
    changed = model(inputs, mode='tensor')
    assert not torch.allclose(changed, want, atol=1e-4)
    torch.testing.assert_close(compiled(inputs), changed, rtol=1e-5, atol=1e-5)


def test_the_forward_pass_reads_nothing_on_the_host(model):
    with torch.no_grad(), NoHostRead():
        model(pictures(), mode='tensor')
        model(pictures(), mode='tensor')


def test_the_guard_sees_a_read():
    with NoHostRead(), pytest.raises(AssertionError, match='on the host'):
        bool(torch.ones(()))
