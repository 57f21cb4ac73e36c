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
        got = ours.eval()(pictures)
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
    assert (ours(pictures) - want).abs().max() > 1e-2


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


def test_a_network_without_patches(build, tiny_vit_cfg):
    cfg = tiny_vit_cfg(model_name='resnet18', model_kwargs=None)
    with pytest.raises(ConfigError, match='resnet18'):
        build(cfg)


def test_a_size_of_no_whole_patches(build, tiny_vit_cfg):
    with pytest.raises(ConfigError, match=r'\(40, 48\) is no whole number'):
        build(tiny_vit_cfg(img_size=(40, 48)))


def test_an_unknown_argument(build, tiny_vit_cfg):
    with pytest.raises(ConfigError, match='look at model_kwargs'):
        build(tiny_vit_cfg(model_kwargs=dict(KWARGS, layers=3)))


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
