import pytest
import torch
import transformers

from llm_mde_mm.models.language import hf_language
from llm_mde_mm.utils.errors import ConfigError, WeightsError
from tests.models.language.families import (
    CAUSAL,
    FAMILIES,
    FROM_TWO,
    family_cfg,
)


@pytest.fixture
def make(build):
    def make(family, **kwargs):
        config = family_cfg(family, positions=40)
        model = build(dict(type='HFLanguageModel', config=config, **kwargs))
        # Sizeable weights, or masks and positions would barely show.
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if parameter.ndim > 1 and 'lora_B' not in name:
                    parameter.normal_(std=0.3)
        return model.eval()

    return make


def left_padded(length=9, paddings=(0, 3, 5), width=32):
    mask = torch.ones(len(paddings), length, dtype=torch.bool)
    for row, padding in zip(mask, paddings, strict=True):
        row[:padding] = False
    return torch.randn(len(paddings), length, width), mask


@pytest.mark.parametrize('family', FAMILIES)
@torch.no_grad()
def test_states_are_hugging_faces_own(make, family):
    """Their 2-D mask, with the positions that a left-padded text needs."""
    ours = make(family)
    states, mask = left_padded()
    offset = 2 if family in FROM_TWO else 0
    positions = (mask.long().cumsum(1) - 1).clamp(min=0) + offset
    want = ours.model(
        inputs_embeds=states,
        attention_mask=mask.long(),
        position_ids=positions,
    ).last_hidden_state
    got = ours(states, mask)
    assert got.shape == (3, 9, 32)
    torch.testing.assert_close(got[mask], want[mask], rtol=0, atol=1e-5)


@pytest.mark.parametrize('family', FAMILIES)
@torch.no_grad()
def test_padding_changes_nothing(make, family):
    """A row equals Hugging Face's run of it alone, with default positions."""
    ours = make(family)
    states, mask = left_padded()
    got = ours(states, mask)
    for row, keep, result in zip(states, mask, got, strict=True):
        alone = row[keep][None]
        want = ours.model(inputs_embeds=alone).last_hidden_state[0]
        torch.testing.assert_close(result[keep], want, rtol=0, atol=1e-5)
        bare = ours(alone, None)[0]
        torch.testing.assert_close(bare, want, rtol=0, atol=1e-6)
    # What stands in the padding is not read.
    states[~mask] = 50.0
    torch.testing.assert_close(ours(states, mask)[mask], got[mask])
    assert torch.isfinite(got).all()


@pytest.mark.parametrize('family', FAMILIES)
@torch.no_grad()
def test_who_sees_whom(make, family):
    ours = make(family)
    assert ours.is_causal == (family in CAUSAL)
    states, mask = left_padded()
    changed = states.clone()
    changed[:, -1] = torch.randn(32)
    difference = (ours(states, mask) - ours(changed, mask)).abs().amax(-1)
    assert (difference[:, -1] > 1e-3).all()
    before = difference[:, :-1][mask[:, :-1]]
    assert (before == 0).all() if ours.is_causal else (before > 1e-4).all()


@pytest.mark.parametrize('family', CAUSAL)
@torch.no_grad()
def test_no_keys_are_kept(make, family):
    ours = make(family)
    output = ours.model(inputs_embeds=left_padded()[0])
    assert output.past_key_values is None


@pytest.mark.parametrize('family', ['electra', 'albert'])
@torch.no_grad()
def test_states_wider_than_the_embeddings(build, family):
    config = dict(family_cfg(family, positions=40), embedding_size=16)
    cfg = dict(type='HFLanguageModel', config=config)
    ours = build(cfg).eval()
    assert ours.word_embeddings.shape[1] == 16 and ours.embed_dims == 32
    states, mask = left_padded(width=16)
    want = ours.model(inputs_embeds=states[2:, 5:]).last_hidden_state
    got = ours(states, mask)[2:, 5:]
    assert got.shape == (1, 4, 32)
    torch.testing.assert_close(got, want, rtol=0, atol=1e-5)
    bare = build(dict(cfg, control='identity'))
    assert bare.embed_dims == 16 and bare(states, mask).shape[2] == 16


def test_an_examination_leaves_no_trace(build):
    cfg = dict(type='HFLanguageModel', finetune='full', dropout=0.1)
    cfg['config'] = family_cfg('bert', positions=40)
    torch.manual_seed(0)
    ours = build(cfg)
    after = torch.rand(3)
    torch.manual_seed(0)
    transformers.AutoModel.from_config(ours.model.config)
    assert torch.equal(torch.rand(3), after)
    assert all(module.training for module in ours.modules())
    assert all(parameter.grad is None for parameter in ours.parameters())


@pytest.mark.parametrize(
    'config',
    [
        dict(model_type='bloom', hidden_size=32, n_head=4, n_layer=1),
        dict(family_cfg('bert', positions=40), model_type='deberta-v2'),
    ],
)
def test_models_that_take_no_such_mask(build, config):
    with pytest.raises(ConfigError, match='4-D attention mask.*choose a text'):
        build(dict(type='HFLanguageModel', config=config))


def test_a_model_that_needs_more_than_embeddings(build):
    config = dict(model_type='bart', d_model=32, encoder_layers=1)
    with pytest.raises(ConfigError, match='BartModel does not run on embed'):
        build(dict(type='HFLanguageModel', config=config))


@pytest.mark.parametrize('family', FAMILIES)
def test_a_mask_that_is_not_heeded(make, family, monkeypatch):
    monkeypatch.setattr(
        hf_language,
        '_additive_mask',
        lambda mask, dtype, causal: torch.zeros(1, 1, *2 * mask.shape[1:]),
    )
    with pytest.raises(ConfigError, match='other states behind padding'):
        make(family)


@pytest.mark.parametrize('family', FROM_TWO)
def test_positions_counted_otherwise(make, family, monkeypatch):
    monkeypatch.setattr(hf_language, 'position_offset', lambda model: 0)
    with pytest.raises(ConfigError, match='other states behind padding'):
        make(family)


@pytest.fixture
def count_sdpa(monkeypatch):
    calls = []
    forward = torch.nn.functional.scaled_dot_product_attention

    def counted(*args, **kwargs):
        calls.append(args)
        return forward(*args, **kwargs)

    monkeypatch.setattr(
        torch.nn.functional, 'scaled_dot_product_attention', counted
    )
    return calls


@pytest.mark.parametrize('pretrained', [False, True])
@torch.no_grad()
def test_attention_is_sdpa_or_what_is_asked_for(
    build, pretrained, tmp_path, count_sdpa
):
    cfg = dict(type='HFLanguageModel', finetune='frozen')
    cfg['config'] = family_cfg('bert', positions=40)
    default = build(cfg).eval()
    if pretrained:
        default.model.save_pretrained(tmp_path)
        default.tokenizer.save_pretrained(tmp_path)
        cfg = dict(type='HFLanguageModel', finetune='frozen')
        cfg['weights'] = str(tmp_path)
        default = build(cfg).eval()
    eager = build(dict(cfg, attn_implementation='eager')).eval()
    eager.load_state_dict(default.state_dict())
    states, mask = left_padded()
    results = []
    # Two layers.
    for model, calls in ((default, 2), (eager, 0)):
        count_sdpa.clear()
        results.append(model(states, mask)[mask])
        assert len(count_sdpa) == calls
    torch.testing.assert_close(*results, rtol=0, atol=1e-5)
    with pytest.raises(
        ConfigError, match=r"config with attn_implementation='none'.*eager"
    ):
        build(dict(cfg, attn_implementation='none'))


@pytest.mark.parametrize('family', FAMILIES)
@torch.no_grad()
def test_under_autocast(make, family):
    ours = make(family)
    states, mask = left_padded()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        got = ours(states, mask)
    want = ours(states, mask)[mask]
    # bfloat16 has eight bits; the states come from a layer norm.
    assert (got[mask] - want).abs().mean() < 0.05


@pytest.mark.parametrize('family', FAMILIES)
@pytest.mark.parametrize('mode', ['frozen', 'lora', 'full'])
def test_what_is_trained(make, family, mode):
    ours = make(family, finetune=mode)
    assert not ours.word_embeddings.requires_grad
    assert not any('pooler' in name for name, _ in ours.named_parameters())
    trained = {n for n, p in ours.named_parameters() if p.requires_grad}
    if mode == 'frozen':
        assert not trained
    if mode == 'lora':
        assert trained and all('.lora_' in name for name in trained)
    if mode == 'full':
        frozen = {n for n, _ in ours.named_parameters()} - trained
        assert len(frozen) == 1


@pytest.mark.parametrize('family', FAMILIES)
def test_every_trained_parameter_gets_a_gradient(make, family):
    ours = make(family).train()
    states, mask = left_padded()
    ours(states, mask).square().sum().backward()
    for name, parameter in ours.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name


@pytest.mark.parametrize('family', FAMILIES)
def test_number_of_layers(make, family):
    names = [n for n, _ in make(family, num_layers=1).named_parameters()]
    assert any('.0.' in n for n in names)
    assert not any('.1.' in n or 'h.1.' in n for n in names)


@pytest.mark.parametrize('family', FAMILIES)
@pytest.mark.parametrize('rate', [0.0, 0.3])
def test_dropout(make, family, rate):
    ours = make(family, dropout=rate, finetune='frozen').train()
    rates = {
        module.p
        for module in ours.modules()
        if isinstance(module, torch.nn.Dropout)
    }
    # Llama's and Qwen's dropout is no layer.
    assert rates == {rate} or (family in CAUSAL[1:] and not rates)
    states, mask = left_padded()
    same = torch.equal(ours(states, mask), ours(states, mask))
    assert same == (rate == 0)


@pytest.mark.parametrize('family', ['distilbert', 'gpt_neo', 'opt'])
def test_dropout_by_other_names(build, family):
    sizes = dict(
        distilbert=dict(dim=32, hidden_dim=64, n_heads=4, n_layers=1),
        opt=dict(
            hidden_size=32,
            word_embed_proj_dim=32,
            ffn_dim=64,
            num_attention_heads=4,
            num_hidden_layers=1,
        ),
        gpt_neo=dict(
            hidden_size=32,
            num_heads=4,
            num_layers=1,
            attention_types=[[['global'], 1]],
            embed_dropout=0.5,
            resid_dropout=0.5,
        ),
    )[family]
    config = dict(model_type=family, **sizes)
    ours = build(dict(type='HFLanguageModel', config=config, dropout=0.0))
    states, mask = left_padded()
    ours.train()
    assert torch.equal(ours(states, mask), ours(states, mask))


def test_limits_and_sizes(make):
    assert {make(f).max_length for f in FAMILIES} == {40}
    ours = make('bert')
    vocabulary = len(ours.tokenizer)
    assert ours.word_embeddings.shape == (vocabulary, 32)
    ids = torch.tensor([[0, 5, vocabulary - 1]])
    assert torch.equal(ours.embed(ids)[0], ours.word_embeddings[ids[0]])


# In a folder of Qwen's, transformers makes a tokeniser of Qwen's class out of
# any other.
@pytest.mark.parametrize('family', [f for f in FAMILIES if f != 'qwen2'])
@torch.no_grad()
def test_from_a_folder(make, build, family, tmp_path):
    random = make(family, finetune='frozen')
    random.model.save_pretrained(tmp_path)
    random.tokenizer.save_pretrained(tmp_path)
    loaded = build(
        dict(type='HFLanguageModel', weights=str(tmp_path), dropout=0.0)
    ).eval()
    assert loaded.model.dtype == torch.float32
    states, mask = left_padded()
    got = loaded(states, mask)[mask]
    want = random(states, mask)[mask]
    torch.testing.assert_close(got, want, rtol=0, atol=1e-6)
    text = 'content is far'
    assert loaded.tokenizer(text) == random.tokenizer(text)
    first = build(
        dict(type='HFLanguageModel', weights=str(tmp_path), num_layers=1)
    ).eval()
    assert not torch.allclose(first(states, mask)[mask], want, atol=1e-3)


def test_a_folder_with_missing_parameters(make, build, tmp_path):
    random = make('bert', num_layers=1, finetune='frozen')
    random.model.save_pretrained(tmp_path)
    random.tokenizer.save_pretrained(tmp_path)
    cfg = dict(type='HFLanguageModel', weights=str(tmp_path), num_layers=2)
    with pytest.raises(WeightsError, match='lacks 16 parameters of BertModel'):
        build(cfg)


@pytest.mark.parametrize('family', FAMILIES)
def test_a_folder_without_a_tokeniser(make, build, family, tmp_path):
    make(family, finetune='frozen').model.save_pretrained(tmp_path)
    with pytest.raises(WeightsError, match='tokeniser'):
        build(dict(type='HFLanguageModel', weights=str(tmp_path)))


def test_a_damaged_folder(make, build, tmp_path):
    random = make('bert', finetune='frozen')
    random.model.save_pretrained(tmp_path)
    random.tokenizer.save_pretrained(tmp_path)
    (tmp_path / 'model.safetensors').write_bytes(b'none')
    with pytest.raises(WeightsError, match='LLM_WEIGHTS'):
        build(dict(type='HFLanguageModel', weights=str(tmp_path)))


@pytest.mark.parametrize('where', ['/nowhere/at/all', './none', 'a/b/c'])
def test_a_path_that_does_not_exist(build, where):
    with pytest.raises(WeightsError, match='does not exist.*LLM_WEIGHTS'):
        build(dict(type='HFLanguageModel', weights=where))


def test_a_hub_that_cannot_be_reached(build):
    cfg = dict(type='HFLanguageModel', weights='nobody/has-this-model')
    with pytest.raises(WeightsError, match='LLM_WEIGHTS'):
        build(cfg)


@pytest.mark.parametrize(
    'settings, message',
    [
        (dict(), "config=dict.model_type='bert'"),
        (dict(config=dict(hidden_size=32)), "config=dict.model_type='bert'"),
        (dict(config=dict(model_type='berd')), 'config.model_type.*berd'),
        (dict(config=dict(model_type='bert'), num_layers=0), 'num_layers'),
        (dict(config=dict(model_type='bert'), dropout=1.0), 'dropout is 1'),
    ],
)
def test_wrong_settings(build, settings, message):
    with pytest.raises(ConfigError, match=message):
        build(dict(type='HFLanguageModel', **settings))


@pytest.mark.parametrize('family', [f for f in FAMILIES if f != 'qwen2'])
def test_heads_that_do_not_divide_the_width(build, family):
    """Qwen's may: the width of its heads is a setting."""
    heads = 'n_head' if family == 'gpt2' else 'num_attention_heads'
    config = {**family_cfg(family, positions=40), heads: 5}
    with pytest.raises(ConfigError, match='backbone.language.config'):
        build(dict(type='HFLanguageModel', config=config))


def test_heads_of_the_control_that_do_not_divide_the_embeddings(build):
    config = dict(family_cfg('electra', positions=40), embedding_size=18)
    cfg = dict(type='HFLanguageModel', config=config, control='attention')
    with pytest.raises(ConfigError, match="control='attention'.*4 heads.*18"):
        build(cfg)


def test_a_model_that_takes_no_embeddings(build):
    config = dict(
        model_type='vit',
        hidden_size=32,
        intermediate_size=64,
        num_attention_heads=4,
        num_hidden_layers=1,
    )
    with pytest.raises(ConfigError, match='ViTModel takes no inputs_embeds'):
        build(dict(type='HFLanguageModel', config=config))


def test_a_model_without_word_embeddings(build, monkeypatch):
    monkeypatch.setattr(
        transformers.BertModel, 'get_input_embeddings', lambda self: None
    )
    cfg = dict(type='HFLanguageModel', config=dict(model_type='bert'))
    with pytest.raises(ConfigError, match='BertModel has no table of word'):
        build(cfg)


def test_an_adapter_that_nothing_reads(build):
    """The query of a single layer whose keys are all alike acts on nothing."""
    config = family_cfg('bert', positions=40)
    cfg = dict(
        type='HFLanguageModel', config=config, lora=dict(targets='.*key')
    )
    build(cfg)
    forward = torch.nn.functional.scaled_dot_product_attention
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            torch.nn.functional,
            'scaled_dot_product_attention',
            lambda q, k, *args, **kwargs: forward(
                q, torch.zeros_like(k), *args, **kwargs
            ),
        )
        with pytest.raises(ConfigError, match='LoRA on 2 layers of BertMod'):
            build(cfg)


@pytest.mark.parametrize('family', ['bert', 'gpt2', 'llama'])
@torch.no_grad()
def test_identity_gives_the_embeddings_back(make, family):
    ours = make(family, control='identity', lora=dict(rank=2))
    states, mask = left_padded(length=60)
    assert torch.equal(ours(states, mask), states)
    assert ours.max_length is None
    assert not any(p.requires_grad for p in ours.parameters())
    assert len(list(ours.parameters())) == 1


@pytest.mark.parametrize('family', ['bert', 'gpt2'])
def test_attention_is_one_block(make, family):
    """The block of arXiv 1706.03762 with the norms first, by hand."""
    ours = make(family, control='attention')
    trained = {n for n, p in ours.named_parameters() if p.requires_grad}
    assert len(trained) == len(list(ours.parameters())) - 1
    states, mask = left_padded()
    with torch.no_grad():
        got = ours(states, mask)
        block = ours.model
        theirs = torch.nn.TransformerEncoderLayer(
            32, 4, 128, 0.0, 'gelu', batch_first=True, norm_first=True
        )
        theirs.self_attn.in_proj_weight.copy_(block.qkv.weight)
        theirs.self_attn.in_proj_bias.copy_(block.qkv.bias)
        theirs.self_attn.out_proj.load_state_dict(block.proj.state_dict())
        theirs.norm1.load_state_dict(block.norm1.state_dict())
        theirs.norm2.load_state_dict(block.norm2.state_dict())
        theirs.linear1.load_state_dict(block.mlp.fc1.state_dict())
        theirs.linear2.load_state_dict(block.mlp.fc2.state_dict())
        want = theirs(block.norm0(states), src_key_padding_mask=~mask)
    torch.testing.assert_close(got[mask], want[mask], rtol=0, atol=1e-4)


def test_random_keeps_the_architecture_alone(make, build, tmp_path):
    pretrained = make('bert', finetune='frozen')
    pretrained.model.save_pretrained(tmp_path)
    pretrained.tokenizer.save_pretrained(tmp_path)
    cfg = dict(type='HFLanguageModel', weights=str(tmp_path))
    random = build(dict(cfg, control='random', finetune='frozen'))
    shapes = [
        {n: p.shape for n, p in m.named_parameters()}
        for m in (pretrained, random)
    ]
    assert shapes[0] == shapes[1]
    for name, weight in random.named_parameters():
        if weight.ndim > 1:
            other = pretrained.get_parameter(name)
            assert not torch.equal(weight, other), name
    with pytest.raises(ConfigError, match='control is .none.*identity'):
        build(dict(cfg, control='none'))
