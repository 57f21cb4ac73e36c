"""The whole network in one graph, without a look at the host."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tests.models.language.families import COMPILED, family_cfg


class NoHostRead(TorchDispatchMode):
    """Refuses every operator that the host has to wait for on a GPU."""

    FORBIDDEN = (
        '_local_scalar_dense',
        'nonzero',
        'is_nonzero',
        'equal',
        'masked_select',
        'unique',
        # A tensor of host values, on its way to the model's device.
        'lift_fresh',
    )

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__.partition('.')[0]
        if name in self.FORBIDDEN:
            raise AssertionError(f'{func} makes the host wait')
        return func(*args, **(kwargs or {}))


PROMPTS = {
    mode: dict(backbone__prompt__mode=mode)
    for mode in ('none', 'fixed', 'adaptive')
}
CHANGES = dict(
    **PROMPTS,
    learned=dict(backbone__prompt__distance_mode='learned'),
    picture=dict(decode_head__picture_channels=4),
    **{
        family: dict(backbone__language__config=family_cfg(family, 96))
        for family in COMPILED
    },
)


@pytest.fixture(params=CHANGES)
def model(request, build, tiny_model_cfg):
    return build(tiny_model_cfg(**CHANGES[request.param])).eval()


def pictures():
    """One dark and one bright, so that their prompts differ in length."""
    return torch.rand(2, 3, 32, 48) + torch.tensor([-2.0, 1.0]).view(
        2, 1, 1, 1
    )


@torch.no_grad()
def test_one_graph_and_the_same_depth(model):
    # Or the graphs of the other models would count as tries of this one.
    torch.compiler.reset()
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
    first, second = pictures(), pictures()
    with torch.no_grad(), NoHostRead():
        model(first, mode='tensor')
        model(second, mode='tensor')


def test_the_guard_sees_a_read():
    one = torch.ones(())
    for read in (lambda: bool(one), lambda: one.new_tensor([1.0])):
        with NoHostRead(), pytest.raises(AssertionError, match='host wait'):
            read()
