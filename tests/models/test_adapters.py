import copy

import pytest
import timm
import torch
from torch import nn
from transformers import BertConfig, BertModel, GPT2Config, GPT2Model

from llm_mde_mm.models.adapters import (
    add_lora,
    dead_adapters,
    linear_layers,
    merge_adapters,
    set_finetuning,
)
from llm_mde_mm.utils.errors import ConfigError
from llm_mde_mm.utils.parameter_table import parameter_table


def make_bert():
    config = BertConfig(
        vocab_size=50,
        hidden_size=16,
        intermediate_size=32,
        num_attention_heads=2,
        num_hidden_layers=2,
    )
    return BertModel(config, add_pooling_layer=False).eval()


def make_gpt2():
    config = GPT2Config(vocab_size=50, n_embd=16, n_layer=2, n_head=2)
    return GPT2Model(config).eval()


def make_vit():
    return timm.create_model(
        'vit_tiny_patch16_224', img_size=32, embed_dim=16, depth=2, num_heads=2
    ).eval()


def output(model):
    generator = torch.Generator().manual_seed(0)
    if isinstance(model, BertModel | GPT2Model):
        states = torch.randn(2, 7, 16, generator=generator)
        return model(inputs_embeds=states).last_hidden_state
    pictures = torch.randn(2, 3, 32, 32, generator=generator)
    return model.forward_features(pictures)


@torch.no_grad()
def run(model):
    return output(model)


MODELS = [make_bert, make_gpt2, make_vit]
# Linear layers in two attention blocks, counted by hand: BERT has query, key,
# value and output, GPT-2 c_attn and c_proj, a timm ViT qkv and proj.
IN_ATTENTION = {make_bert: 8, make_gpt2: 4, make_vit: 4}


@pytest.mark.parametrize('make', MODELS)
def test_lora_starts_at_the_base_model(make, fill_lora):
    base = make()
    adapted = copy.deepcopy(base)
    matched = add_lora(adapted, rank=4, alpha=8)
    assert len(matched) == IN_ATTENTION[make]
    torch.testing.assert_close(run(adapted), run(base), rtol=0, atol=1e-6)
    # It is there: with B other than 0 the output differs.
    assert (run(fill_lora(adapted)) - run(base)).abs().max() > 1e-2


def test_the_update_is_alpha_over_rank_times_b_a():
    """Equation 3 of arXiv 2106.09685."""
    net = nn.Sequential()
    net.attn = nn.Sequential(nn.Linear(6, 5))
    weight, bias = net.attn[0].weight.clone(), net.attn[0].bias.clone()
    assert add_lora(net, rank=3, alpha=12) == ['attn.0']
    layer = net.attn[0].eval()
    a, b = layer.lora_A['default'].weight, layer.lora_B['default'].weight
    nn.init.normal_(b)
    x = torch.randn(4, 6)
    want = x @ (weight + 12 / 3 * b @ a).T + bias
    torch.testing.assert_close(layer(x), want)


@pytest.mark.parametrize('make', MODELS)
@pytest.mark.parametrize('mode', ['frozen', 'lora', 'full'])
def test_what_each_mode_trains(make, mode):
    model = make()
    lora = dict(rank=2) if mode == 'lora' else None
    set_finetuning(model, mode, lora, lambda: output(model))
    trained = {n for n, p in model.named_parameters() if p.requires_grad}
    every = {n for n, _ in model.named_parameters()}
    adapters = {n for n in every if '.lora_' in n}
    assert trained == dict(frozen=set(), lora=adapters, full=every)[mode]
    # A and B of each adapted layer.
    assert len(adapters) == (2 * IN_ATTENTION[make] if mode == 'lora' else 0)


def test_linear_layers_include_conv1d():
    assert linear_layers(make_gpt2())[:4] == [
        'h.0.attn.c_attn',
        'h.0.attn.c_proj',
        'h.0.mlp.c_fc',
        'h.0.mlp.c_proj',
    ]


def test_targets_choose_the_layers():
    matched = add_lora(make_bert(), targets=r'.*layer\.1\..*\.(query|value)')
    assert matched == [
        'encoder.layer.1.attention.self.query',
        'encoder.layer.1.attention.self.value',
    ]


def test_a_pattern_that_matches_nothing_lists_the_layers():
    with pytest.raises(ConfigError) as caught:
        add_lora(make_bert(), targets='q_proj')
    message = str(caught.value)
    assert "'q_proj' matches no linear layer of BertModel" in message
    assert 'encoder.layer.N.attention.self.query' in message
    assert 'encoder.layer.N.output.dense' in message


@pytest.mark.parametrize(
    'mode, lora, message',
    [
        ('LoRA', None, "finetune is 'LoRA'.*frozen, lora, full"),
        ('lora', dict(r=4), r"lora has no key \['r'\].*'rank'"),
        ('lora', dict(rank=0), 'lora.rank is 0'),
    ],
)
def test_wrong_settings(mode, lora, message):
    with pytest.raises(ConfigError, match=message):
        set_finetuning(make_bert(), mode, lora, lambda: None)


def test_parameter_table_adds_up():
    model = make_bert()
    set_finetuning(model, 'lora', dict(rank=2), lambda: output(model))
    rows = [line.split() for line in parameter_table(model, {}).splitlines()]
    counts = {r[0]: [int(c.replace(',', '')) for c in r[1:]] for r in rows[1:]}
    total = counts.pop('all')
    assert total == [sum(c) for c in zip(*counts.values(), strict=True)]
    assert total[0] == sum(p.numel() for p in model.parameters())
    # Rank 2 on eight 16 x 16 layers: 8 * 2 * (16 + 16).
    assert total[1] == 512
    assert counts['encoder.layer'][1] == 512


@pytest.mark.parametrize('make', MODELS)
def test_merged_equals_unmerged(make, fill_lora):
    model = make()
    add_lora(model, rank=4, alpha=8)
    want = run(fill_lora(model))
    merge_adapters(model)
    torch.testing.assert_close(run(model), want, rtol=1e-5, atol=1e-5)
    # The sum is in the weight: what is left is the base layer.
    for name, parameter in model.named_parameters():
        if 'lora_' in name:
            parameter.data.fill_(1e3)
    torch.testing.assert_close(run(model), want, rtol=1e-5, atol=1e-5)


class ReadsTheWeight(nn.Module):
    """Calls one layer, and only reads the weight of the other."""

    def __init__(self):
        super().__init__()
        self.attn = nn.ModuleDict(
            dict(called=nn.Linear(4, 4), read=nn.Linear(4, 4))
        )

    def forward(self, x):
        x = self.attn['called'](x)
        return nn.functional.linear(x, self.attn['read'].weight)


def test_a_dead_adapter_is_found():
    net = ReadsTheWeight()
    probe = lambda: net(torch.randn(3, 4))  # noqa: E731
    add_lora(net, rank=2)
    assert dead_adapters(net, probe) == ['attn.read']
    with pytest.raises(ConfigError, match=r"1 layers of Reads.*'attn.read'"):
        other = ReadsTheWeight()
        set_finetuning(other, 'lora', {}, lambda: other(torch.randn(3, 4)))
    net = ReadsTheWeight()
    add_lora(net, rank=2, targets='attn.called')
    assert dead_adapters(net, probe) == []


def test_the_search_leaves_no_trace():
    model = make_bert().train()
    add_lora(model, rank=2)
    state = torch.get_rng_state()
    dead_adapters(model, lambda: output(model))
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize('make', MODELS)
def test_dropout_of_the_config_acts_in_training_alone(make, fill_lora):
    model = make()
    settings = dict(rank=2, dropout=0.5)
    set_finetuning(model, 'lora', settings, lambda: output(model))
    fill_lora(model)
    assert torch.equal(run(model), run(model))
    # The adapters alone: the networks have dropout of their own.
    for name, layer in model.named_modules():
        if '.lora_dropout' in name:
            layer.train()
    assert (run(model) - run(model)).abs().max() > 1e-3


def test_dropout_doubles_the_half_that_it_keeps():
    """Of the adapter's input: B A is the identity here, and W is 0."""
    net = nn.Sequential()
    net.attn = nn.Sequential(nn.Linear(6, 6, bias=False))
    nn.init.zeros_(net.attn[0].weight)
    add_lora(net, rank=6, alpha=6, dropout=0.5)
    layer = net.attn[0].train()
    for factor in (layer.lora_A, layer.lora_B):
        nn.init.eye_(factor['default'].weight)
    x = torch.rand(1000, 6) + 1
    got = layer(x)
    kept = got != 0
    torch.testing.assert_close(got[kept], 2 * x[kept])
    assert kept.float().mean().item() == pytest.approx(0.5, abs=0.05)
    torch.testing.assert_close(layer.eval()(x), x)
