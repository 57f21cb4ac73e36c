"""Digests of frozen tensors."""

import hashlib

import numpy as np
import torch
from torch import nn

from llm_mde_mm.utils.frozen_base import (
    base_digest,
    base_names,
    drop_base,
    restore_base,
    tensor_digest,
)


def test_a_digest_is_sha256_of_kind_and_bytes():
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    head = b'torch.float32 (2, 3) '
    want = hashlib.sha256(head + array.tobytes()).hexdigest()[:32]
    tensor = torch.from_numpy(array)
    assert tensor_digest(tensor) == want
    assert tensor_digest(tensor.double()) == want
    # Not by how it lies in memory.
    assert tensor_digest(tensor.t().contiguous().t()) == want
    others = (tensor.view(3, 2), tensor.int(), tensor.bfloat16() + 1)
    assert want not in {tensor_digest(other) for other in others}
    assert tensor_digest(torch.tensor(True)) != tensor_digest(torch.tensor(1))
    lines = f'a {want}\nb 0\n'.encode()
    digest = hashlib.sha256(lines).hexdigest()
    assert base_digest({'b': '0', 'a': want}) == digest


class Network(nn.Module):
    def __init__(self, pretrained):
        super().__init__()
        self.pretrained = pretrained
        self.linear = nn.Linear(2, 2)
        self.linear.weight.requires_grad_(False)
        self.norm = nn.BatchNorm1d(2).requires_grad_(False)
        self.pos_embed = nn.Parameter(torch.zeros(2), requires_grad=False)


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.known = Network('weights')
        self.random = Network(None)


def test_the_base_is_what_weights_bring_back():
    # Not statistics, which training moves, nor what is resampled or trained.
    assert base_names(Model()) == [
        'known.linear.weight',
        'known.norm.weight',
        'known.norm.bias',
    ]


def test_dropped_and_restored():
    model = Model()
    name = 'known.linear.weight'
    digests = {name: tensor_digest(model.known.linear.weight)}
    full = dict(model.state_dict())
    checkpoint = dict(
        meta={},
        state_dict=dict(full),
        ema_state_dict={f'module.{k}': v for k, v in full.items()},
    )
    drop_base(checkpoint, digests)
    for key, prefix in (('state_dict', ''), ('ema_state_dict', 'module.')):
        assert prefix + name not in checkpoint[key]
    restore_base(checkpoint, model, 'file')
    for key, prefix in (('state_dict', ''), ('ema_state_dict', 'module.')):
        assert checkpoint[key].keys() == {prefix + k for k in full}
        assert checkpoint[key][prefix + name] is not None
