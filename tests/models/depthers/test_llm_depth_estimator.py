import pytest
import torch
from mmengine.structures import PixelData
from mmseg.models import DepthEstimator
from mmseg.structures import SegDataSample
from torch.nn import functional as F

from llm_mde_mm.models.depthers.padding import valid_pixels
from llm_mde_mm.utils.errors import ConfigError


@pytest.fixture
def make(build, tiny_model_cfg):
    return lambda **changes: build(tiny_model_cfg(**changes))


def make_data(batch=2, size=(32, 48), ori_shape=(40, 60), empty=False):
    """What a data loader hands over: BGR uint8 pictures and samples."""
    samples = []
    for _ in range(batch):
        depth = torch.rand(1, *ori_shape) * 5 + 0.5
        depth[torch.rand_like(depth) < 0.2] = 0
        samples.append(
            SegDataSample(
                gt_depth_map=PixelData(data=depth * (not empty)),
                metainfo=dict(ori_shape=ori_shape, img_shape=size),
            )
        )
    pictures = torch.randint(0, 256, (batch, 3, *size), dtype=torch.uint8)
    return dict(inputs=list(pictures), data_samples=samples)


def training_data(**kwargs):
    return make_data(ori_shape=(32, 48), **kwargs)


def step(model, data):
    data = model.data_preprocessor(data, training=True)
    return model(**data, mode='loss')


def test_the_losses(make):
    model = make()
    losses = step(model, training_data())
    assert set(losses) == {'decode.loss_ssi', 'decode.loss_silog'}
    total, _ = model.parse_losses(losses)
    want = losses['decode.loss_ssi'] + losses['decode.loss_silog']
    torch.testing.assert_close(total, want)
    assert torch.isfinite(total) and total > 0


@pytest.mark.parametrize('mode', ['none', 'fixed', 'adaptive'])
@pytest.mark.parametrize('empty', [False, True])
@pytest.mark.parametrize('picture', [None, 4])
def test_every_trained_parameter_gets_a_gradient(make, mode, empty, picture):
    model = make(
        backbone__prompt__mode=mode,
        neck__vision_channels=24,
        backbone__prototypes__prototype_rank=3,
        decode_head__picture_channels=picture,
    )
    losses = step(model, training_data(empty=empty))
    total = sum(losses.values())
    total.backward()
    assert (total.item() == 0) == empty
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert torch.isfinite(parameter.grad).all(), name
        else:
            assert parameter.grad is None, name


# Of the paper's Table 4, and full fine-tuning.
schemes = pytest.mark.parametrize(
    'vision, language',
    [
        ('frozen', 'frozen'),
        ('lora', 'frozen'),
        ('lora', 'lora'),
        ('full', 'full'),
    ],
)


def scheme_cfg(**modes):
    changes = {}
    for part, mode in modes.items():
        changes[f'backbone__{part}__finetune'] = mode
        if mode != 'lora':
            changes[f'backbone__{part}__lora'] = None
    return changes


@schemes
@pytest.mark.parametrize('control', [None, 'identity', 'attention'])
def test_every_scheme_trains_all_that_it_should(
    make, vision, language, control
):
    model = make(
        backbone__language__control=control,
        **scheme_cfg(vision=vision, language=language),
    )
    sum(step(model, training_data()).values()).backward()
    parts = dict(
        vision=model.backbone.vision, language=model.backbone.language
    )
    for name, parameter in model.named_parameters():
        got = parameter.grad is not None
        assert got == parameter.requires_grad, name
    for part, scheme in (('vision', vision), ('language', language)):
        trained = sum(p.requires_grad for p in parts[part].parameters())
        if part == 'vision' or control is None:
            assert (trained > 0) == (scheme != 'frozen')
        else:
            assert (trained > 0) == (control == 'attention')


@schemes
def test_training_moves_all_that_is_trained_and_nothing_else(
    make, vision, language
):
    model = make(**scheme_cfg(vision=vision, language=language))
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    before = {n: t.clone() for n, t in model.state_dict().items()}
    wrapped = torch.optim.AdamW(trained.values(), lr=1e-2, weight_decay=0)
    data = training_data()
    for _ in range(20):
        wrapped.zero_grad()
        fresh = dict(
            inputs=data['inputs'],
            data_samples=[s.clone() for s in data['data_samples']],
        )
        sum(step(model, fresh).values()).backward()
        for name, parameter in trained.items():
            assert torch.isfinite(parameter.grad).all(), name
        wrapped.step()
    changed = {
        n
        for n, t in model.state_dict().items()
        if not torch.equal(t, before[n])
    }
    assert changed == trained.keys()


def test_prediction_has_the_original_size(make):
    model = make().eval()
    data = make_data()
    samples = model.test_step(data)
    inputs = model.data_preprocessor(data)['inputs']
    network = model(inputs)
    assert network.shape == (2, 1, 32, 48)
    want = F.interpolate(network, (40, 60), mode='bilinear')
    for sample, depth in zip(samples, want, strict=True):
        assert 'val_loss' not in sample.metainfo
        torch.testing.assert_close(sample.pred_depth_map.data, depth)


@torch.no_grad()
def test_a_pixel_reaches_the_depth_past_backbone_and_neck(make):
    model = make(decode_head__picture_channels=4).eval()
    torch.nn.init.normal_(model.decode_head.full_size.out.weight)
    data = make_data(batch=1, ori_shape=(32, 48))
    inputs = model.data_preprocessor(data)['inputs']
    fused = model.extract_feat(inputs).features
    model.neck.forward = lambda _: fused
    other = inputs.clone()
    other[0, :, 13, 21] += 3
    for run in (
        lambda x: model(x),
        lambda x: model(x, mode='predict')[0].pred_depth_map.data[None],
    ):
        change = (run(other) - run(inputs)).abs()[0, 0]
        assert change[11:16, 19:24].max() == change.max() > 0.1


def test_prediction_without_samples(make):
    model = make().eval()
    inputs = model.data_preprocessor(make_data())['inputs']
    with torch.no_grad():
        samples = model(inputs, mode='predict')
        want = model(inputs)
    for sample, depth in zip(samples, want, strict=True):
        assert torch.equal(sample.pred_depth_map.data, depth)


@pytest.mark.parametrize('test_cfg', [None, dict(mode='whole'), dict(a=1)])
def test_the_test_mode_defaults_to_whole(make, test_cfg):
    model = make(test_cfg=test_cfg).eval()
    assert model.test_step(make_data())[0].pred_depth_map.shape == (40, 60)


@torch.no_grad()
def test_a_validation_step_scores_each_picture(make):
    model = make().eval()
    data = make_data(batch=3)
    data['data_samples'][1].gt_depth_map.data.zero_()
    samples = model.val_step(data)
    losses = [sample.metainfo['val_loss'] for sample in samples]
    assert losses[1] is None
    for i in (0, 2):
        pair = (
            samples[i].pred_depth_map.data[None],
            samples[i].gt_depth_map.data[None],
        )
        want = {
            loss.loss_name: loss(*pair).item()
            for loss in model.decode_head.losses
        }
        assert losses[i] == pytest.approx(want)


def test_a_validation_step_without_ground_truth(make):
    data = make_data()
    for sample in data['data_samples']:
        del sample.gt_depth_map
    for sample in make().eval().val_step(data):
        assert 'val_loss' not in sample.metainfo


@torch.no_grad()
def prompts_of(model, monkeypatch, run):
    seen = []
    written = model.backbone.prompt.forward

    def listen(*args):
        seen.append(written(*args))
        return seen[-1]

    monkeypatch.setattr(model.backbone.prompt, 'forward', listen)
    run()
    return model.backbone.prompt.decode(seen[-1])


@pytest.mark.parametrize('training', [True, False])
def test_padding_of_the_batch_stays_out_of_the_prompt(
    make, monkeypatch, training
):
    model = make(
        data_preprocessor__size=(32, 48),
        data_preprocessor__test_cfg=dict(size=(32, 48)),
    )
    model.train(training)
    # All white; padding is grey, and would be the minimum.
    data = make_data(size=(20, 30), ori_shape=(20, 30))
    for picture in data['inputs']:
        picture.fill_(255)
    data = model.data_preprocessor(data, training=training)
    assert data['inputs'].shape == (2, 3, 32, 48)
    mode = 'loss' if training else 'predict'
    texts = prompts_of(model, monkeypatch, lambda: model(**data, mode=mode))
    assert all('brightness 100 to 100, median 100' in t for t in texts)


@torch.no_grad()
def test_valid_pixels():
    inputs = torch.zeros(2, 3, 6, 8)
    assert valid_pixels(inputs, None) is None
    assert (
        valid_pixels(inputs, [dict(), dict(padding_size=(0, 0, 0, 0))]) is None
    )
    # Left, right, top, bottom, as mmseg gives them.
    metas = [dict(padding_size=(1, 2, 3, 0)), dict()]
    got = valid_pixels(inputs, metas)
    want = torch.zeros(6, 8, dtype=torch.bool)
    want[3:, 1:6] = True
    assert torch.equal(got[0], want) and got[1].all()


def test_pictures_reach_the_prompt_as_rgb(make, monkeypatch):
    model = make().eval()
    data = make_data(batch=1)
    data['inputs'][0][:] = torch.tensor([255, 0, 0])[:, None, None]
    texts = prompts_of(model, monkeypatch, lambda: model.test_step(data))
    # Pure blue, the first channel of BGR, has a luma of 11 percent.
    assert 'brightness 11 to 11' in texts[0]


def test_depth_is_padded_with_no_measurement(make):
    model = make(data_preprocessor__size=(32, 48))
    data = make_data(size=(20, 30), ori_shape=(20, 30))
    data = model.data_preprocessor(data, training=True)
    depth = data['data_samples'][0].gt_depth_map.data
    assert depth.shape == (1, 32, 48)
    assert not depth[:, 20:].any() and not depth[:, :, 30:].any()


def test_the_preprocessor_normalises_as_timm(make):
    model = make()
    data = make_data(batch=1)
    got = model.data_preprocessor(data)['inputs'][0]
    rgb = data['inputs'][0].flip(0).double() / 255
    mean, std = (
        torch.tensor(v).view(3, 1, 1).double()
        for v in (model.backbone.vision.mean, model.backbone.vision.std)
    )
    want = (rgb - mean) / std
    torch.testing.assert_close(got.double(), want, rtol=0, atol=1e-5)


def test_another_normalisation_is_refused(make):
    with pytest.raises(ConfigError, match='data_preprocessor.mean is'):
        make(data_preprocessor__model_name='vit_base_patch16_clip_224.openai')
    cfg = dict(
        type='SegDataPreProcessor',
        mean=[127.5] * 3,
        std=[60.0] * 3,
        size=(9, 9),
    )
    with pytest.raises(ConfigError, match='data_preprocessor.std is'):
        make(data_preprocessor=cfg)
    with pytest.raises(ConfigError, match='data_preprocessor.mean is None'):
        make(data_preprocessor=dict(type='SegDataPreProcessor'))


PAD = dict(
    data_preprocessor__size=(32, 48),
    data_preprocessor__test_cfg=dict(size=(32, 48)),
)


@torch.no_grad()
@pytest.mark.parametrize('size', [(32, 48), (20, 30)])
@pytest.mark.parametrize('picture', [None, 4])
def test_flip_averages_with_the_mirrored_pictures_depth(make, size, picture):
    """Also where pictures are padded, each picture by itself."""
    cfg = dict(**PAD, decode_head__picture_channels=picture)
    once = make(**cfg).eval()
    both = make(**cfg, test_cfg=dict(flip=True)).eval()
    both.load_state_dict(once.state_dict())
    data = make_data(size=size)
    # Bright on the left: the two prompts differ.
    for picture in data['inputs']:
        picture[..., : size[1] // 2] //= 4
    mirrored = dict(
        inputs=[picture.flip(2) for picture in data['inputs']],
        data_samples=[s.clone() for s in data['data_samples']],
    )
    plain = [s.pred_depth_map.data for s in once.test_step(data)]
    other = [s.pred_depth_map.data for s in once.test_step(mirrored)]
    got = both.test_step(data)
    for sample, a, b in zip(got, plain, other, strict=True):
        assert not torch.allclose(a, b.flip(2), atol=1e-4)
        torch.testing.assert_close(
            sample.pred_depth_map.data, (a + b.flip(2)) / 2
        )
        assert sample.metainfo['flip_tta'] is True


@torch.no_grad()
def test_the_mirrored_picture_gets_a_prompt_of_its_own(make, monkeypatch):
    model = make(test_cfg=dict(flip=True)).eval()
    data = make_data(batch=1)
    data['inputs'][0][..., :40] = 20
    data['inputs'][0][..., 40:] = 250
    seen = []
    written = model.backbone.prompt.forward

    def listen(*args):
        seen.append(model.backbone.prompt.decode(written(*args))[0])
        return written(*args)

    monkeypatch.setattr(model.backbone.prompt, 'forward', listen)
    model.test_step(data)
    first, second = seen
    assert 'bright at 5 95,' in first and 'bright at 5 5,' in second


def test_samples_say_that_nothing_was_flipped(make):
    for sample in make().eval().test_step(make_data()):
        assert sample.metainfo['flip_tta'] is False


def test_flip_is_yes_or_no(make):
    with pytest.raises(ConfigError, match='test_cfg.flip is 1'):
        make(test_cfg=dict(flip=1))


@pytest.mark.parametrize('mode', ['slide', 'slide_flip', 'other'])
def test_other_test_modes_are_refused(make, mode):
    with pytest.raises(ConfigError, match=f"test_cfg.mode is '{mode}'"):
        make(test_cfg=dict(mode=mode, crop_size=(16, 16), stride=(8, 8)))


def test_the_neck_gets_the_language_models_width(make):
    assert make().neck.patch_proj.in_features == 32
    assert make(neck__in_channels=32).neck.patch_proj.in_features == 32


def test_the_neck_reads_all_blocks_of_the_vision_model(make):
    model = make(neck__vision_channels='all', backbone__vision__blocks=[0, 1])
    widths = [layer[1].in_features for layer in model.neck.vision_proj]
    assert widths == [model.backbone.vision.embed_dims] * 2


def test_the_heads_must_read_what_the_neck_gives(make, tiny_head_cfg):
    with pytest.raises(ConfigError, match=r'decode_head.in_channels is 24, '):
        make(decode_head__in_channels=24)
    narrow, right = (tiny_head_cfg(in_channels=n) for n in (8, 16))
    for heads in (narrow, [right, narrow]):
        with pytest.raises(ConfigError, match='auxiliary_head.in_.* gives 16'):
            make(auxiliary_head=heads)
    make(auxiliary_head=[right, right])


@torch.no_grad()
def test_a_batch_equals_its_pictures(make):
    model = make().eval()
    inputs = model.data_preprocessor(make_data(batch=3))['inputs']
    alone = torch.cat([model(inputs[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(model(inputs), alone, rtol=0, atol=1e-5)


@torch.no_grad()
def test_a_checkpoint_restores_the_predictions(make, tmp_path):
    model = make().eval()
    inputs = model.data_preprocessor(make_data())['inputs']
    torch.save(model.state_dict(), tmp_path / 'model.pth')
    torch.manual_seed(5)
    other = make().eval()
    assert not torch.allclose(other(inputs), model(inputs))
    other.load_state_dict(torch.load(tmp_path / 'model.pth'))
    assert torch.equal(other(inputs), model(inputs))


@pytest.mark.parametrize('picture', [None, 4])
def test_a_training_step_under_bf16(make, picture):
    model = make(decode_head__picture_channels=picture)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        losses = step(model, training_data())
    assert all(v.dtype == torch.float32 for v in losses.values())
    sum(losses.values()).backward()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert torch.isfinite(parameter.grad).all(), name


LEARNED = dict(backbone__prompt__distance_mode='learned')
SUPERVISED = dict(**LEARNED, backbone__prompt__distance_loss_weight=0.25)


def test_the_loss_is_that_of_mmseg_without_a_supervised_prompt(make):
    for changes in (dict(), LEARNED):
        model = make(**changes).eval()
        data = model.data_preprocessor(training_data(), training=True)
        want = DepthEstimator.loss(model, **data)
        got = model.loss(**data)
        assert list(got) == list(want)
        for name in want:
            torch.testing.assert_close(got[name], want[name])


def test_the_distance_is_supervised_by_the_median_depth(make):
    model = make(**SUPERVISED)
    data = training_data(batch=4)
    depths = [0.9, 2.2, 4.0, None]
    for sample, depth in zip(data['data_samples'], depths, strict=True):
        sample.gt_depth_map.data[:] = depth or 0
    data = model.data_preprocessor(data, training=True)
    torch.manual_seed(1)
    logits = model.backbone(data['inputs']).distance_logits
    losses = model.loss(**data)
    assert set(losses) == {
        'decode.loss_ssi', 'decode.loss_silog', 'loss_distance',
    }  # fmt: skip
    want = 0.25 * F.cross_entropy(logits[:3], torch.tensor([0, 3, 6]))
    torch.testing.assert_close(losses['loss_distance'], want)
    total, _ = model.parse_losses(losses)
    torch.testing.assert_close(total, sum(losses.values()))


@pytest.mark.parametrize('changes', [LEARNED, SUPERVISED])
@pytest.mark.parametrize('empty', [False, True])
def test_the_classifier_gets_a_gradient(make, changes, empty):
    model = make(**changes)
    total = sum(step(model, training_data(empty=empty)).values())
    total.backward()
    assert (total.item() == 0) == empty
    for parameter in model.backbone.prompt.classifier.parameters():
        assert torch.isfinite(parameter.grad).all()
        assert (parameter.grad.abs().sum() == 0) == empty


def test_a_supervised_step_under_bf16(make):
    model = make(**SUPERVISED)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        losses = step(model, training_data())
    assert losses['loss_distance'].dtype == torch.float32
    sum(losses.values()).backward()
    for parameter in model.backbone.prompt.classifier.parameters():
        assert torch.isfinite(parameter.grad).all()


class Sealed(PixelData):
    """Ground truth that nobody may open."""

    @property
    def data(self):
        raise AssertionError('ground truth was read')


@pytest.mark.parametrize('changes', [dict(), SUPERVISED])
@torch.no_grad()
def test_prediction_never_reads_the_ground_truth(make, changes):
    model = make(**changes).eval()
    data = make_data()

    def with_truth(make_truth):
        samples = [
            SegDataSample(metainfo=s.metainfo) for s in data['data_samples']
        ]
        for sample in samples:
            if make_truth is not None:
                sample.set_field(make_truth(), 'gt_depth_map', PixelData)
        return dict(inputs=data['inputs'], data_samples=samples)

    truths = [
        None,
        Sealed,
        lambda: PixelData(data=torch.zeros(1, 40, 60)),
        lambda: PixelData(data=torch.full((1, 40, 60), 9.0)),
        lambda: PixelData(data=torch.full((1, 40, 60), float('nan'))),
    ]
    for run in (model.test_step, model.val_step):
        depths = [
            [s.pred_depth_map.data for s in run(with_truth(truth))]
            for truth in truths
            # A validation step scores the prediction, and so reads it then.
            if run is model.test_step or truth is not Sealed
        ]
        for depth in depths[1:]:
            assert all(map(torch.equal, depth, depths[0]))
