import io

import cv2
import mmseg.datasets  # noqa: F401  (registers PackSegInputs)
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmseg.registry import TRANSFORMS
from PIL import Image

from llm_mde_mm.datasets.transforms import (
    ColourJitter,
    LoadDepth,
    LoadPicture,
    RandomCropPair,
    RandomHorizontalFlip,
    RandomZoomOutPair,
    ResizePair,
    ResizePicture,
)
from llm_mde_mm.utils.errors import ConfigError, DataError

H, W = 24, 32
SEG = ['gt_depth_map']


@pytest.fixture
def sample(tmp_path):
    """Paths of a picture and its depth, smooth as photographs are."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (H, W, 3)).astype(np.uint8)
    depth = rng.integers(0, 10000, (H, W)).astype(np.uint16)
    paths = dict(
        img_path=str(tmp_path / 'kitchen_00007.jpg'),
        depth_map_path=str(tmp_path / 'kitchen_00007.png'),
    )
    # Written by Pillow, so that another library than the reader's encodes.
    Image.fromarray(image[..., ::-1]).save(paths['img_path'], quality=95)
    Image.fromarray(depth).save(paths['depth_map_path'])
    return dict(paths, seg_fields=[])


def load(sample):
    return LoadDepth()(LoadPicture()(dict(sample)))


def pair(height=H, width=W, seed=0):
    rng = np.random.default_rng(seed)
    depth = rng.integers(1, 10**6, (height, width)).astype(np.float32) / 1e5
    image = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
    return dict(img=image, gt_depth_map=depth)


def between(old, new):
    """Mark output pixels centred between two: either one is the nearest."""
    return (2 * np.arange(new) + 1) * old % (2 * new) == 0


def rewrite(path, content):
    with open(path, 'wb') as file:
        file.write(content)


def test_load_against_pillow(sample):
    results = load(sample)
    image = np.asarray(Image.open(sample['img_path']))
    depth = np.asarray(Image.open(sample['depth_map_path']))
    # Two JPEG decoders may round differently by a grey level or two.
    difference = results['img'][..., ::-1].astype(int) - image
    assert np.abs(difference).mean() < 1
    assert results['img'].dtype == np.uint8
    assert results['img_shape'] == results['ori_shape'] == (H, W)
    assert results['gt_depth_map'].dtype == np.float32
    np.testing.assert_array_equal(
        results['gt_depth_map'], (depth / 1000.0).astype(np.float32)
    )
    assert results['seg_fields'] == ['gt_depth_map']
    assert sample['seg_fields'] == []
    half = LoadDepth(depth_scale=2000)(LoadPicture()(dict(sample)))
    np.testing.assert_allclose(
        half['gt_depth_map'], results['gt_depth_map'] / 2
    )


def test_grey_picture_has_three_channels(sample):
    Image.fromarray(np.zeros((H, W), np.uint8)).save(sample['img_path'])
    assert LoadPicture()(sample)['img'].shape == (H, W, 3)


def test_a_picture_that_is_stored_turned(sample):
    pixels = np.zeros((H, W), np.uint8)
    pixels[: H // 2] = 255
    exif = Image.Exif()
    for orientation in (1, 3):
        exif[0x0112] = orientation
        Image.fromarray(pixels).save(sample['img_path'], exif=exif)
        if orientation == 1:
            assert load(sample)['img'][0].min() > 200
    with pytest.raises(DataError, match='kitchen_00007.*EXIF orientation'):
        load(sample)
    for suffix in ('png', 'webp'):
        path = sample['img_path'].replace('.jpg', f'.{suffix}')
        Image.fromarray(pixels).save(path, exif=exif)
        with pytest.raises(DataError, match=f'07.{suffix}.*EXIF orientation'):
            load(dict(sample, img_path=path))
    # No depth map to disagree with.
    del sample['depth_map_path']
    assert LoadPicture()(sample)['img'][0].max() < 50


@pytest.mark.parametrize('key', ['img_path', 'depth_map_path'])
def test_damaged_files_are_named(sample, key, tmp_path):
    path = sample[key]
    content = open(path, 'rb').read()
    cases = [(b'', 'is empty'), (b'scene: kitchen\n', 'no picture')]
    cases += [
        (content[: len(content) * part // 100], 'truncated|cannot be decoded')
        for part in (1, 20, 50, 90, 99)
    ]
    cases += [(content[:300] + bytes(len(content) - 300), 'truncated')]
    for damaged, message in cases:
        rewrite(path, damaged)
        with pytest.raises(DataError, match=f'kitchen_00007.*({message})'):
            load(sample)
    folder = tmp_path / 'kitchen_00008'
    with pytest.raises(DataError, match='kitchen_00008: .* is missing'):
        load(dict(sample, **{key: str(folder)}))
    folder.mkdir()
    with pytest.raises(DataError, match='kitchen_00008: .*cannot be read'):
        load(dict(sample, **{key: str(folder)}))


@pytest.mark.parametrize('progressive', [False, True])
def test_a_picture_with_a_film_behind_it(sample, progressive):
    pixels = np.random.default_rng(0).integers(0, 256, (H, W, 3), np.uint8)
    path = sample['img_path']
    Image.fromarray(pixels).save(path, progressive=progressive)
    content, expected = open(path, 'rb').read(), load(sample)['img']
    film = np.random.default_rng(1).bytes(300_000)
    assert b'\xff\xda' in film
    rewrite(path, content + film)
    np.testing.assert_array_equal(load(sample)['img'], expected)
    for share in range(1, 100):
        rewrite(path, content[: len(content) * share // 100])
        with pytest.raises(DataError, match='truncated'):
            load(sample)


def test_truncated_jpeg_with_preview(sample):
    """A whole preview inside the header hides no truncated picture."""
    preview = io.BytesIO()
    Image.new('RGB', (8, 8)).save(preview, 'jpeg')
    content = open(sample['img_path'], 'rb').read()
    block = b'Exif\0\0' + preview.getvalue()
    block = b'\xff\xe1' + (len(block) + 2).to_bytes(2, 'big') + block
    whole = content[:2] + block + content[2:]
    rewrite(sample['img_path'], whole)
    expected = load(sample)['img']
    assert expected.shape == (H, W, 3)
    rewrite(sample['img_path'], whole[:-200])
    with pytest.raises(DataError, match='kitchen_00007.jpg.* truncated'):
        load(sample)
    rewrite(sample['img_path'], whole + bytes(50))  # padding is harmless
    np.testing.assert_array_equal(load(sample)['img'], expected)


def test_flipped_bytes_of_depth_raise_or_do_no_harm(sample):
    path = sample['depth_map_path']
    content = open(path, 'rb').read()
    expected = load(sample)['gt_depth_map']
    raised = 0
    for place in range(0, len(content), 7):
        damaged = bytearray(content)
        damaged[place] ^= 0x55
        rewrite(path, bytes(damaged))
        try:
            depth = load(sample)['gt_depth_map']
        except DataError as error:
            assert 'kitchen_00007.png' in str(error)
            raised += 1
        else:
            np.testing.assert_array_equal(depth, expected)
    assert raised > len(content) // 7 * 0.9


@pytest.mark.parametrize(
    'depth, message',
    [
        (np.ones((H, W), np.uint8), 'is 8-bit; 16-bit millimetres expected'),
        (np.ones((H, W, 3), np.uint8), 'is 8-bit; .* a colour picture'),
        (np.ones((H, W, 3), np.uint16), 'has 3 channels'),
        (np.ones((H, W - 1), np.uint16), '24 x 31 .*its picture 24 x 32'),
    ],
)
def test_unfit_depth(sample, depth, message):
    cv2.imwrite(sample['depth_map_path'], depth)
    with pytest.raises(DataError, match=f'kitchen_00007.png: .*{message}'):
        load(sample)


def test_float_depth(sample, tmp_path):
    path = str(tmp_path / 'kitchen_00007.tiff')
    cv2.imwrite(path, np.ones((H, W), np.float32))
    with pytest.raises(DataError, match='kitchen_00007.tiff.* float32'):
        load(dict(sample, depth_map_path=path))


def test_size_is_compared_before_resizing(sample):
    results = ResizePicture((7, 9))(LoadPicture()(dict(sample)))
    assert LoadDepth()(results)['gt_depth_map'].shape == (H, W)
    with pytest.raises(ConfigError, match='LoadPicture before LoadDepth'):
        LoadDepth()(dict(sample))


def test_resize_picture_leaves_depth():
    results = ResizePicture(size=[12, 8])(pair())
    np.testing.assert_array_equal(
        results['gt_depth_map'], pair()['gt_depth_map']
    )
    # 2 x 4 blocks: area interpolation is their mean.
    blocks = pair()['img'].reshape(12, 2, 8, 4, 3).mean((1, 3))
    assert np.abs(results['img'] - blocks).max() <= 0.5001
    assert results['img_shape'] == (12, 8)
    assert results['scale_factor'] == (8 / W, 12 / H)
    larger = ResizePicture(64)(pair())['img']
    assert larger.shape == (64, 64, 3)


@settings(max_examples=60, deadline=None)
@given(*[st.integers(1, 40)] * 4)
def test_resize_pair_against_torch(height, width, new_h, new_w):
    """Pixel-centre sampling is what torch calls nearest-exact."""
    before = pair(height, width)['gt_depth_map']
    results = ResizePair((new_h, new_w))(pair(height, width))
    after = results['gt_depth_map']
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(before)[None, None].double(),
        (new_h, new_w),
        mode='nearest-exact',
    )[0, 0]
    assert results['img'].shape == (new_h, new_w, 3)
    assert after.dtype == np.float32 and after.flags.c_contiguous
    assert set(after.flat) <= set(before.flat)
    rows, columns = between(height, new_h), between(width, new_w)
    np.testing.assert_array_equal(
        after[~rows][:, ~columns], expected.numpy()[~rows][:, ~columns]
    )


def test_picture_and_depth_stay_aligned():
    """A step edge lands on the same column in both."""
    depth = np.ones((480, 640), np.float32)
    depth[:, 320:] = 9
    image = (depth * 25)[..., None].repeat(3, 2).astype(np.uint8)
    results = ResizePair(224)(dict(img=image, gt_depth_map=depth))
    edge = results['img'][..., 0] > 125
    np.testing.assert_array_equal(edge, results['gt_depth_map'] > 5)


@settings(max_examples=40, deadline=None)
@given(*[st.integers(2, 40)] * 4)
def test_flip_equivariance(height, width, new_h, new_w):
    flip = RandomHorizontalFlip(prob=1)
    results = flip(pair(height, width))
    for key, before in pair(height, width).items():
        np.testing.assert_array_equal(results[key], before[:, ::-1])
        assert results[key].flags.c_contiguous
    assert results['flip'] and results['flip_direction'] == 'horizontal'
    twice = flip(results)
    np.testing.assert_array_equal(twice['img'], pair(height, width)['img'])

    one = ResizePair((new_h, new_w))(flip(pair(height, width)))
    other = flip(ResizePair((new_h, new_w))(pair(height, width)))
    columns = between(width, new_w)
    np.testing.assert_array_equal(
        one['gt_depth_map'][:, ~columns], other['gt_depth_map'][:, ~columns]
    )


@settings(max_examples=30, deadline=None)
@given(*[st.integers(4, 40)] * 4, st.integers(0, 1000))
def test_flip_equivariance_of_the_pipeline(height, width, new_h, new_w, seed):
    """A mirrored pair gives the mirrored sample, whatever else is drawn."""

    def sample(pair, prob):
        np.random.seed(seed)
        for step in (
            ResizePair((new_h, new_w)),
            RandomHorizontalFlip(prob),
            ColourJitter(),
            TRANSFORMS.build(dict(type='PackSegInputs')),
        ):
            pair = step(pair)
        return pair['inputs'], pair['data_samples'].gt_depth_map.data

    mirrored = {k: v[:, ::-1].copy() for k, v in pair(height, width).items()}
    image, depth = sample(dict(pair(height, width), seg_fields=SEG), prob=1)
    other, other_depth = sample(dict(mirrored, seg_fields=SEG), prob=0)
    columns = torch.from_numpy(~between(width, new_w))
    assert torch.equal(depth[..., columns], other_depth[..., columns])
    # OpenCV rounds a mean of two neighbours by which one comes first.
    assert (image.int() - other.int()).abs().max() <= 3


def test_flip_probability_and_seed():
    np.random.seed(1)
    first = [RandomHorizontalFlip(0.3)(pair())['flip'] for _ in range(1000)]
    np.random.seed(1)
    again = [RandomHorizontalFlip(0.3)(pair())['flip'] for _ in range(1000)]
    assert first == again
    assert abs(np.mean(first) - 0.3) < 0.06  # four standard deviations
    results = RandomHorizontalFlip(prob=0)(pair())
    np.testing.assert_array_equal(results['img'], pair()['img'])
    assert results['flip'] is False


def test_crop_cuts_one_window_of_both():
    np.random.seed(0)
    code = np.arange(H * W, dtype=np.float32).reshape(H, W)
    sizes, places = set(), set()
    for _ in range(200):
        image = np.stack([code // W, code % W, code * 0], -1).astype(np.uint8)
        results = RandomCropPair(0.5)(dict(img=image, gt_depth_map=code))
        cut = results['gt_depth_map']
        h, w = results['img_shape']
        assert cut.shape == results['img'].shape[:2] == (h, w)
        assert cut.flags.c_contiguous and results['img'].flags.c_contiguous
        assert H // 2 <= h <= H and W // 2 <= w <= W
        assert abs(h / H - w / W) <= 0.5 / H + 0.5 / W
        y, x = divmod(int(cut[0, 0]), W)
        np.testing.assert_array_equal(cut, code[y : y + h, x : x + w])
        np.testing.assert_array_equal(results['img'][..., 0], cut // W)
        np.testing.assert_array_equal(results['img'][..., 1], cut % W)
        sizes.add(h)
        places.add((y + h == H, x + w == W, y == 0, x == 0))
    assert {H // 2, H - 1} <= sizes and len(places) > 4


def test_crop_keeps_depth_metric_for_one_lens():
    """A fronto-parallel wall: its size in the picture tells its distance."""
    scales = set()
    for seed in range(20):
        np.random.seed(seed)
        depth = np.full((90, 120), 3, np.float32)
        image = np.zeros((90, 120, 3), np.uint8)
        crop = RandomCropPair(0.5, rescale_depth=True)
        results = crop(dict(img=image, gt_depth_map=depth))
        seen = results['gt_depth_map']
        assert seen.dtype == np.float32 and seen.min() == seen.max()
        part = results['img_shape'][1] / 120
        assert seen[0, 0] == pytest.approx(3 * part, abs=3 * 0.5 / 120 + 1e-6)
        assert (depth == 3).all()
        scales.add(round(part, 1))
    assert {0.6, 0.9} <= scales


def test_zoom_out_mirrors_and_keeps_depth_metric():
    """Shape, place, mirrored picture, no depth there, a wall moved away."""
    code = np.arange(H * W * 3, dtype=np.int64).reshape(H, W, 3)
    image = (code % 251).astype(np.uint8)
    depth = np.linspace(4, 8, H * W, dtype=np.float32).reshape(H, W)
    step = RandomZoomOutPair(2, prob=0.5, max_depth=10.0)
    zoomed, places = 0, set()
    for seed in range(200):
        np.random.seed(seed)
        results = step(dict(img=image, gt_depth_map=depth))
        h, w = results['img'].shape[:2]
        seen = results['gt_depth_map']
        assert seen.shape == (h, w) and seen.dtype == np.float32
        if (h, w) == (H, W):
            np.testing.assert_array_equal(results['img'], image)
            continue
        zoomed += 1
        assert results['img_shape'] == (h, w)
        assert H <= h <= 2 * H and abs(h / H - w / W) <= 0.5 / H + 0.5 / W
        y, x = np.argwhere(seen)[0]
        inside = seen[y : y + H, x : x + W]
        zoom = inside[0, 0] / 4
        assert zoom == pytest.approx(h / H, abs=0.5 / H + 1e-3)
        far = depth * np.float32(zoom)
        far[far > 10] = 0
        np.testing.assert_allclose(inside, far, rtol=1e-5)
        assert (seen != 0).sum() == (far != 0).sum()
        picture = results['img']
        np.testing.assert_array_equal(picture[y : y + H, x : x + W], image)
        if y:
            np.testing.assert_array_equal(picture[y - 1], picture[y])
        places.add((y == 0, x == 0, y + H == h, x + W == w))
    assert 70 < zoomed < 130 and len(places) > 4
    assert depth.max() == 8


def test_zoom_out_of_a_picture_alone():
    np.random.seed(0)
    results = RandomZoomOutPair(1.6, prob=1.0)(dict(img=pair()['img']))
    assert results['img'].shape[0] > H and 'gt_depth_map' not in results


def test_crop_needs_one_size():
    with pytest.raises(ConfigError, match='before ResizePicture'):
        RandomCropPair()(ResizePicture(8)(pair()))


@pytest.mark.parametrize('name', ['brightness', 'contrast', 'saturation'])
def test_colour_against_pillow(name, monkeypatch):
    """Each factor alone, against Pillow's ImageEnhance on RGB."""
    from PIL import ImageEnhance

    enhance = dict(
        brightness=ImageEnhance.Brightness,
        contrast=ImageEnhance.Contrast,
        saturation=ImageEnhance.Color,
    )[name]
    image = pair()['img']
    for factor in (0.6, 1.0, 1.4):
        jitter = ColourJitter()
        factors = [factor if key == name else 1.0 for key in jitter.ranges]
        monkeypatch.setattr(jitter, '_draw', lambda f=factors: f)
        got = jitter(pair())['img'][..., ::-1]
        rgb = Image.fromarray(np.ascontiguousarray(image[..., ::-1]))
        expected = np.asarray(enhance(rgb).enhance(factor))
        assert np.abs(got.astype(int) - expected).max() <= 2


def test_gamma_and_ranges(monkeypatch):
    jitter = ColourJitter(gamma=0.5)
    monkeypatch.setattr(jitter, '_draw', lambda: [1, 1, 1, 1.5])
    expected = (pair()['img'] / 255.0) ** 1.5 * 255
    assert np.abs(jitter(pair())['img'] - expected).max() <= 0.51
    np.random.seed(0)
    jitter = ColourJitter(0.1, 0.2, 0.3, 0.4)
    draws = [jitter._draw() for _ in range(500)]
    np.testing.assert_allclose(
        np.max(draws, 0), [1.1, 1.2, 1.3, 1.4], atol=0.01
    )
    np.testing.assert_allclose(
        np.min(draws, 0), [0.9, 0.8, 0.7, 0.6], atol=0.01
    )


def test_colour_leaves_depth_and_zero_ranges_leave_all():
    results = ColourJitter(0.5, 0.5, 0.5, 0.5)(pair())
    np.testing.assert_array_equal(
        results['gt_depth_map'], pair()['gt_depth_map']
    )
    assert (results['img'] != pair()['img']).any()
    same = ColourJitter(0, 0, 0, 0)(pair())['img']
    np.testing.assert_array_equal(same, pair()['img'])


@pytest.mark.parametrize(
    'config, message',
    [
        (dict(type='LoadDepth', depth_scale=0), 'depth_scale'),
        (dict(type='ResizePicture', size=(224,)), 'height, width'),
        (dict(type='ResizePair', size=(0, 4)), 'ResizePair: size'),
        (dict(type='ResizePair', size=2.5), 'ResizePair: size'),
        (dict(type='RandomHorizontalFlip', prob=1.5), 'prob'),
        (dict(type='RandomCropPair', min_scale=0), 'min_scale'),
        (dict(type='RandomZoomOutPair', max_zoom=0.9), 'max_zoom'),
        (dict(type='RandomZoomOutPair', max_depth=0), 'max_depth'),
        (dict(type='ColourJitter', gamma=1), 'gamma'),
        (dict(type='ColourJitter', contrast=-0.1), 'contrast'),
    ],
)
def test_malformed_arguments(config, message):
    with pytest.raises(ConfigError, match=message):
        TRANSFORMS.build(config)


def test_packed_sample(sample):
    results = dict(sample)
    for config in (
        dict(type='LoadPicture'),
        dict(type='LoadDepth'),
        dict(type='RandomZoomOutPair'),
        dict(type='RandomCropPair', min_scale=0.9),
        dict(type='RandomHorizontalFlip', prob=1.0),
        dict(type='ColourJitter'),
        dict(type='ResizePair', size=(16, 20)),
        dict(type='PackSegInputs'),
    ):
        step = TRANSFORMS.build(config)
        assert config['type'] in repr(step)
        results = step(results)
    inputs, packed = results['inputs'], results['data_samples']
    assert inputs.dtype == torch.uint8 and inputs.is_contiguous()
    assert inputs.shape == (3, 16, 20)
    depth = packed.gt_depth_map.data
    assert depth.dtype == torch.float32 and depth.is_contiguous()
    assert depth.shape == (1, 16, 20)
    assert packed.metainfo['ori_shape'] == (H, W)
    assert packed.metainfo['img_shape'] == (16, 20)
    assert packed.metainfo['flip'] is True
    assert packed.metainfo['img_path'] == sample['img_path']
