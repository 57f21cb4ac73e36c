import json

import pytest
import timm
import torch
from safetensors.torch import save_file

from llm_mde_mm.models.vision.timm_weights import find_timm_source
from llm_mde_mm.utils.errors import ConfigError, WeightsError

NAME = 'vit_tiny_patch16_224'
KWARGS = dict(embed_dim=24, depth=2, num_heads=2)


def make_timm(**kwargs):
    settings = {'num_classes': 5, 'img_size': (32, 48), **KWARGS, **kwargs}
    return timm.create_model(NAME, **settings).eval()


@pytest.fixture
def folder(tmp_path):
    """A tiny timm model as timm saves one, and the model itself."""
    model = make_timm()
    save_file(model.state_dict(), tmp_path / 'model.safetensors')
    described = dict(
        architecture=NAME,
        pretrained_cfg=dict(mean=[0.1, 0.2, 0.3], std=[0.4, 0.5, 0.6]),
    )
    (tmp_path / 'config.json').write_text(json.dumps(described))
    return tmp_path, model


def assert_same_tokens(ours, theirs, size=(32, 48)):
    pictures = torch.randn(2, 3, *size)
    with torch.no_grad():
        want = theirs.forward_features(pictures)[:, theirs.num_prefix_tokens :]
        (got,) = ours.eval()(pictures)
    assert got.shape == (2, size[0] * size[1] // 256, 24)
    torch.testing.assert_close(got, want, rtol=0, atol=1e-6)


@pytest.mark.parametrize('weights', ['folder', 'file'])
def test_tokens_are_timms_own(build, tiny_vit_cfg, folder, weights):
    path, model = folder
    if weights == 'file':
        path = path / 'model.safetensors'
    ours = build(tiny_vit_cfg(weights=str(path)))
    assert ours.grid_size == (2, 3) and ours.embed_dims == 24
    assert_same_tokens(ours, model)


def test_no_prefix_token_is_kept_with_registers(build, tiny_vit_cfg):
    cfg = tiny_vit_cfg(
        finetune='full', lora=None, model_kwargs=dict(**KWARGS, reg_tokens=3)
    )
    ours = build(cfg)
    assert ours.num_prefix_tokens == 4
    assert_same_tokens(ours, ours.model)


def test_position_embeddings_are_resampled(build, tiny_vit_cfg, tmp_path):
    model = make_timm(img_size=(48, 48))
    save_file(model.state_dict(), tmp_path / 'model.safetensors')
    ours = build(tiny_vit_cfg(weights=str(tmp_path), img_size=(48, 64)))
    model.set_input_size((48, 64))
    assert_same_tokens(ours, model, (48, 64))


def test_mean_and_std(build, tiny_vit_cfg, folder):
    ours = build(tiny_vit_cfg(weights=str(folder[0])))
    assert ours.mean == (0.1, 0.2, 0.3) and ours.std == (0.4, 0.5, 0.6)
    cfg = timm.get_pretrained_cfg(NAME)
    # A file describes nothing, so timm's own description holds.
    for weights in (None, 'random', str(folder[0] / 'model.safetensors')):
        source = find_timm_source(NAME, weights)
        assert (source.mean, source.std) == (cfg.mean, cfg.std)
    clip = find_timm_source('vit_base_patch16_clip_224.openai', None)
    assert clip.mean == pytest.approx((0.48145466, 0.4578275, 0.40821073))


def test_a_timm_name_as_weights_brings_its_architecture():
    name = 'vit_small_patch14_dinov2.lvd142m'
    for weights in (name, f'timm/{name}'):
        source = find_timm_source(NAME, weights)
        assert (source.model_name, source.file, source.hub) == (
            name,
            None,
            True,
        )


def test_lora_trains_and_acts(build, tiny_vit_cfg, fill_lora, folder):
    ours = fill_lora(build(tiny_vit_cfg(weights=str(folder[0])))).eval()
    pictures = torch.randn(1, 3, 32, 48)
    want = folder[1].forward_features(pictures)[:, 1:]
    assert (ours(pictures)[0] - want).abs().max() > 1e-2


def test_a_path_that_does_not_exist(build, tiny_vit_cfg, tmp_path):
    for weights in (tmp_path / 'none', 'model.safetensors', './a.bin'):
        with pytest.raises(WeightsError, match='does not exist.*VIT_WEIGHTS'):
            build(tiny_vit_cfg(weights=str(weights)))


def test_a_folder_without_weights(build, tiny_vit_cfg, tmp_path):
    with pytest.raises(WeightsError, match='holds none of model.safetensors'):
        build(tiny_vit_cfg(weights=str(tmp_path)))


def test_a_file_with_missing_keys(build, tiny_vit_cfg, tmp_path):
    state = make_timm().state_dict()
    for key in ('norm.weight', 'blocks.1.attn.qkv.weight'):
        del state[key]
    save_file(state, tmp_path / 'model.safetensors')
    with pytest.raises(WeightsError, match='lacks 2 parameters.*blocks.1'):
        build(tiny_vit_cfg(weights=str(tmp_path)))


def test_a_file_of_another_width(build, tiny_vit_cfg, tmp_path):
    state = make_timm(embed_dim=32).state_dict()
    save_file(state, tmp_path / 'model.safetensors')
    with pytest.raises(WeightsError, match='does not load into vit_tiny'):
        build(tiny_vit_cfg(weights=str(tmp_path)))


@pytest.mark.parametrize('name', ['model.safetensors', 'model.pth', 'a.npz'])
def test_a_damaged_file(build, tiny_vit_cfg, tmp_path, name):
    (tmp_path / name).write_bytes(b'not weights at all')
    with pytest.raises(WeightsError, match='does not load into vit_tiny'):
        build(tiny_vit_cfg(weights=str(tmp_path / name)))


def test_numpy_weights_are_left_to_timm(
    build, tiny_vit_cfg, tmp_path, monkeypatch
):
    loaded = []
    monkeypatch.setattr(
        timm.models.VisionTransformer,
        'load_pretrained',
        lambda self, path: loaded.append(path),
    )
    path = tmp_path / 'augreg.npz'
    path.touch()
    build(tiny_vit_cfg(weights=str(path)))
    assert loaded == [str(path)]


@pytest.mark.parametrize('text', ['{', '[]'])
def test_a_folder_with_a_damaged_description(
    build, tiny_vit_cfg, folder, text
):
    (folder[0] / 'config.json').write_text(text)
    with pytest.raises(WeightsError, match='config.json'):
        build(tiny_vit_cfg(weights=str(folder[0])))


def test_a_pickle_that_runs_code_is_refused(build, tiny_vit_cfg, tmp_path):
    class Hostile:
        def __reduce__(self):
            return (tmp_path.joinpath('ran').touch, ())

    torch.save(dict(state_dict=Hostile()), tmp_path / 'model.pth')
    with pytest.raises(WeightsError):
        build(tiny_vit_cfg(weights=str(tmp_path)))
    assert not (tmp_path / 'ran').exists()


def test_an_unknown_name(build, tiny_vit_cfg):
    with pytest.raises(ConfigError, match="no model 'vit_tiny_patch17'.*near"):
        build(tiny_vit_cfg(model_name='vit_tiny_patch17'))
    with pytest.raises(ConfigError, match='224.nope.; near it are vit_base'):
        build(tiny_vit_cfg(weights='vit_base_patch16_224.nope'))


def test_a_network_without_patches(build, tiny_vit_cfg):
    cfg = tiny_vit_cfg(model_name='resnet18', model_kwargs=None)
    with pytest.raises(ConfigError, match='resnet18'):
        build(cfg)
    # Windows have a patch grid, but merge it on the way.
    cfg = tiny_vit_cfg(
        model_name='swin_tiny_patch4_window7_224', model_kwargs=None
    )
    with pytest.raises(ConfigError, match='swin_tiny.*a ViT'):
        build(cfg)


def test_one_number_is_both_sides(build, tiny_vit_cfg):
    assert build(tiny_vit_cfg(img_size=48)).img_size == (48, 48)


def test_a_size_of_no_whole_patches(build, tiny_vit_cfg):
    for size in ((40, 48), (8, 48)):
        with pytest.raises(ConfigError, match='is no whole number of'):
            build(tiny_vit_cfg(img_size=size))
    with pytest.raises(ConfigError, match='positive.*img_size'):
        build(tiny_vit_cfg(img_size=(0, 48)))


def test_an_unknown_argument(build, tiny_vit_cfg):
    with pytest.raises(ConfigError, match='look at model_kwargs'):
        build(tiny_vit_cfg(model_kwargs=dict(KWARGS, layers=3)))


@pytest.mark.parametrize(
    'name',
    [NAME, 'beit_base_patch16_224', 'eva02_tiny_patch14_224'],
)
def test_heads_that_do_not_divide_the_width(build, tiny_vit_cfg, name):
    for finetune in ('lora', 'full'):
        cfg = tiny_vit_cfg(
            model_name=name,
            img_size=(112, 224),
            model_kwargs=dict(KWARGS, num_heads=5),
            finetune=finetune,
            lora=None,
        )
        with pytest.raises(ConfigError, match='model_kwargs'):
            build(cfg)


@pytest.mark.parametrize('key', ['img_size', 'num_classes'])
def test_arguments_that_have_a_key_of_their_own(build, tiny_vit_cfg, key):
    cfg = tiny_vit_cfg(model_kwargs=dict(KWARGS, **{key: 32}))
    with pytest.raises(ConfigError, match=f'model_kwargs.{key} is not read'):
        build(cfg)


@pytest.mark.parametrize(
    'name', ['samvit_base_patch16', 'naflexvit_base_patch16_gap']
)
def test_a_vit_without_a_fixed_grid(build, tiny_vit_cfg, name):
    with pytest.raises(ConfigError, match='no fixed patch grid'):
        build(tiny_vit_cfg(model_name=name))


def test_pictures_of_another_size(build, tiny_vit_cfg):
    ours = build(tiny_vit_cfg())
    with pytest.raises(ConfigError, match=r'\(48, 32\).*img_size is \(32'):
        ours(torch.zeros(1, 3, 48, 32))


def test_a_hub_that_cannot_be_reached(build, tiny_vit_cfg, monkeypatch):
    def unreachable(name, pretrained, **kwargs):
        assert pretrained and name == 'vit_tiny_patch16_224.augreg_in21k'
        raise OSError('no route to host')

    monkeypatch.setattr(timm, 'create_model', unreachable)
    with pytest.raises(WeightsError, match='no route to host.*VIT_WEIGHTS'):
        build(tiny_vit_cfg(weights='vit_tiny_patch16_224.augreg_in21k'))


# BEiT and EVA normalise the mean of the patches by default, not the patches.
NORMS = [
    (name, pooling)
    for name in ('beit_base_patch16_224', 'eva02_tiny_patch14_224', NAME)
    for pooling in ('avg', 'token')
]


def saved_vit(name, pooling, path):
    """A model of timm's, its last norm far from what it starts as, saved."""
    model = timm.create_model(
        name, img_size=(112, 224), global_pool=pooling, **KWARGS
    ).eval()
    last = model.fc_norm if pooling == 'avg' else model.norm
    torch.nn.init.uniform_(last.weight, 2, 3)
    torch.nn.init.normal_(last.bias)
    save_file(model.state_dict(), path / 'model.safetensors')
    return model


@pytest.mark.parametrize('name, pooling', NORMS)
def test_the_file_says_which_norm_it_has(
    build, tiny_vit_cfg, tmp_path, name, pooling
):
    theirs = saved_vit(name, pooling, tmp_path)
    ours = build(
        tiny_vit_cfg(
            model_name=name, weights=str(tmp_path), img_size=(112, 224)
        )
    ).eval()
    pictures = torch.randn(2, 3, 112, 224)
    with torch.no_grad():
        want = theirs.forward_features(pictures)[:, 1:]
        (got,) = ours(pictures)
    torch.testing.assert_close(got, want, rtol=0, atol=1e-5)
    kind = torch.nn.Identity if pooling == 'avg' else torch.nn.LayerNorm
    assert isinstance(ours.model.norm, kind)


@pytest.mark.parametrize('key', ['norm1.weight', 'mlp.fc2.bias'])
def test_a_file_with_fc_norm_and_a_missing_key(
    build, tiny_vit_cfg, tmp_path, key
):
    state = saved_vit(NORMS[0][0], 'avg', tmp_path).state_dict()
    del state[f'blocks.1.{key}']
    save_file(state, tmp_path / 'model.safetensors')
    cfg = tiny_vit_cfg(
        model_name=NORMS[0][0], weights=str(tmp_path), img_size=(112, 224)
    )
    with pytest.raises(WeightsError, match=f'lacks 1 param.*blocks.1.{key}'):
        build(cfg)


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """timm's own way to the hub, which has one model, maybe without a key."""

    def publish(name, lacks=None):
        model = saved_vit(name, 'avg', tmp_path)
        state = model.state_dict()
        if lacks:
            del state[lacks]
        monkeypatch.setattr(
            'timm.models._builder.load_state_dict_from_hf',
            lambda *_, **__: state,
        )
        return model

    return publish


@pytest.mark.parametrize(
    'name, tag', [(NORMS[0][0], '.in22k_ft_in22k_in1k'), (NORMS[2][0], '')]
)
def test_the_hubs_weights_are_complete(build, tiny_vit_cfg, hub, name, tag):
    theirs = hub(name)
    cfg = tiny_vit_cfg(weights=name + tag, img_size=(112, 224))
    ours = build(cfg).eval()
    pictures = torch.randn(1, 3, 112, 224)
    with torch.no_grad():
        want = theirs.forward_features(pictures)[:, 1:]
        (got,) = ours(pictures)
    torch.testing.assert_close(got, want, rtol=0, atol=1e-5)
    for lacks in ('blocks.0.norm2.weight', 'fc_norm.weight'):
        hub(name, lacks)
        with pytest.raises(WeightsError, match=f'do not fit.*{lacks}'):
            build(cfg)


# Each family of DESIGN: plain, CLIP with a norm before the blocks and with
# quick GELU, DINOv2 without and with registers, DINOv3, SigLIP without a
# class token, DeiT with its second token, BEiT and EVA-02. Patches of 14 or 16
# pixels.
FAMILIES = [
    ('vit_base_patch16_224', 1),
    ('vit_base_patch16_clip_224', 1),
    ('vit_base_patch16_clip_quickgelu_224', 1),
    ('vit_small_patch14_dinov2', 1),
    ('vit_small_patch14_reg4_dinov2', 5),
    ('vit_small_patch16_dinov3', 5),
    ('vit_base_patch16_siglip_224', 0),
    ('deit_tiny_distilled_patch16_224', 2),
    ('beit_base_patch16_224', 1),
    ('eva02_tiny_patch14_224', 1),
]
FAMILY_KWARGS = dict(embed_dim=24, depth=3, num_heads=2)


@pytest.fixture(params=FAMILIES, ids=[name for name, _ in FAMILIES])
def family(request, build, tiny_vit_cfg):
    name, prefix = request.param

    def make(**changes):
        ours = build(
            tiny_vit_cfg(
                model_name=name,
                img_size=(112, 224),
                model_kwargs=FAMILY_KWARGS,
                **changes,
            )
        )
        assert ours.num_prefix_tokens == prefix
        return ours.eval()

    return make


def test_every_family_gives_timms_tokens(family):
    ours = family()
    pictures = torch.randn(2, 3, 112, 224)
    with torch.no_grad():
        # LoRA adds 0 at the start.
        want = ours.model.forward_features(pictures)
        (got,) = ours(pictures)
    height, width = ours.grid_size
    assert width == 2 * height and got.shape == (2, height * width, 24)
    torch.testing.assert_close(
        got, want[:, ours.num_prefix_tokens :], rtol=0, atol=1e-5
    )


def test_every_familys_adapters_act(family):
    """BEiT and EVA read the weight of qkv past the layer by themselves."""
    ours = family()
    before = ours(torch.ones(1, 3, 112, 224))[0]
    layers = [
        name.partition('.lora_B')[0]
        for name, _ in ours.model.named_parameters()
        if '.lora_B.' in name
    ]
    assert len(layers) >= 3 * 2
    for name in layers:
        weight = ours.model.get_submodule(name).lora_B['default'].weight
        torch.nn.init.normal_(weight)
        change = ours(torch.ones(1, 3, 112, 224))[0] - before
        torch.nn.init.zeros_(weight)
        # DINOv2's blocks are scaled by 1e-5 before training.
        assert change.any(), name


def test_blocks_are_read_and_later_ones_removed(family):
    torch.manual_seed(3)
    ours = family(blocks=[0, -2], finetune='full', lora=None)
    torch.manual_seed(3)
    whole = family(finetune='full', lora=None)
    assert ours.blocks == (0, 1)
    assert len(ours.model.blocks) == 2 and len(whole.model.blocks) == 3
    pictures = torch.randn(1, 3, 112, 224)
    with torch.no_grad():
        got = ours(pictures)
        want = whole.model.forward_intermediates(
            pictures, norm=True, output_fmt='NLC', intermediates_only=True
        )
    for a, b in zip(got, want[:2], strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-6)
    assert not torch.equal(got[1], want[2])


def test_every_trained_parameter_gets_a_gradient(family):
    for settings in (dict(), dict(blocks=1)):
        ours = family(**settings).train()
        ours(torch.randn(2, 3, 112, 224))[-1].square().sum().backward()
        for name, parameter in ours.named_parameters():
            got = parameter.grad is not None
            assert got == parameter.requires_grad, name


@pytest.mark.parametrize(
    'blocks, message',
    [
        (2, 'has the blocks 0 to 1'),
        (-3, 'has the blocks 0 to 1'),
        ([], 'has the blocks 0 to 1'),
        ([1, 0], 'rising order'),
        ([1, -1], 'rising order'),
    ],
)
def test_blocks_that_are_not_there(build, tiny_vit_cfg, blocks, message):
    with pytest.raises(ConfigError, match=message):
        build(tiny_vit_cfg(blocks=blocks))


def test_clips_activation_keeps_one_map(build, tiny_vit_cfg):
    """timm's own function in float64 has the values and the gradient."""
    name = 'vit_base_patch16_clip_quickgelu_224'
    cfg = tiny_vit_cfg(model_name=name, model_kwargs=FAMILY_KWARGS)
    act = build(cfg).model.blocks[0].mlp.act
    x = torch.linspace(-6, 6, 101, requires_grad=True)
    exact = x.detach().double().requires_grad_()
    kept = []

    def keep(tensor):
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        out = act(x)
    want = timm.layers.quick_gelu(exact)
    torch.testing.assert_close(out.double(), want, rtol=1e-5, atol=1e-6)
    out.sum().backward()
    want.sum().backward()
    torch.testing.assert_close(
        x.grad.double(), exact.grad, rtol=1e-5, atol=1e-6
    )
    assert len(kept) == 1


def test_with_cp_keeps_less_and_has_the_same_gradients(build):
    kept, gradients = {}, {}
    for with_cp in (False, True):
        torch.manual_seed(0)
        cfg = dict(type='TimmViT', model_name='vit_tiny_patch16_224')
        model = build(
            dict(
                cfg,
                img_size=(32, 48),
                blocks=[1, 3],
                model_kwargs=dict(depth=4),
                lora=dict(rank=2, alpha=4),
                with_cp=with_cp,
            )
        )
        counts = []

        def keep(tensor, counts=counts):
            counts.append(tensor.numel())
            return tensor

        pictures = torch.randn(2, 3, 32, 48)
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
            maps = model(pictures)
        kept[with_cp] = sum(counts)
        sum(m.square().sum() for m in maps).backward()
        gradients[with_cp] = {
            name: p.grad
            for name, p in model.named_parameters()
            if p.requires_grad
        }
        model.eval()
        assert not model.model.grad_checkpointing
        assert model.train().model.grad_checkpointing == with_cp
    assert kept[True] < kept[False] / 3
    assert gradients[True].keys() == gradients[False].keys()
    for name, gradient in gradients[True].items():
        assert torch.equal(gradient, gradients[False][name]), name
