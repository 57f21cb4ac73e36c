import pytest

from llm_mde_mm.evaluation import PROTOCOLS, get_protocol
from llm_mde_mm.evaluation.report import protocol_settings, protocol_words
from llm_mde_mm.utils.errors import ConfigError


def test_nyu_is_the_fields_standard():
    nyu = get_protocol('nyu')
    assert nyu.depth_range == (1e-3, 10.0) == nyu.clamp_range
    assert (nyu.crop, nyu.alignment) == ('nyu_eigen', ('none',))
    assert nyu.average == 'per_image' and not nyu.changed
    assert protocol_words(nyu) == (
        'nyu: ground truth from 0.001 to 10 m, the NYU Eigen crop scaled to '
        "the picture's size, no alignment, predictions clamped to that range, "
        'averages over pictures'
    )


def test_single_keys_can_be_changed():
    protocol = get_protocol(
        'nyu', max_depth=80.0, crop='garg', alignment=['median', 'none']
    )
    assert protocol.depth_range == (1e-3, 80.0)
    assert protocol.min_depth == PROTOCOLS['nyu'].min_depth
    assert protocol.changed == ['max_depth', 'crop', 'alignment']
    words = protocol_words(protocol, flip_tta=True)
    for part in (
        'nyu with another max_depth, crop, alignment: each prediction averaged'
        ' with that of the mirrored picture',
        '0.001 to 80 m, the Garg crop',
        'predicted depth aligned by the ratio of the medians (beside',
    ):
        assert part in words
    assert protocol_settings(protocol, True, 5) == dict(
        name='nyu',
        min_depth=1e-3,
        max_depth=80.0,
        crop='garg',
        alignment=['median', 'none'],
        clamp=True,
        predictions='depth',
        average='per_image',
        min_max=False,
        flip_tta=True,
        bootstrap_resamples=5,
    )


def test_midas_and_no_clamp_in_words():
    words = protocol_words(
        get_protocol('midas', predictions='disparity', clamp=False)
    )
    assert 'predicted disparity aligned by least-squares scale' in words
    assert 'in disparity, 10 m at most' in words and 'not clamped' in words


def test_an_alignment_beside_the_first_is_no_change():
    protocol = get_protocol('nyu', alignment=('none', 'affine'))
    assert not protocol.changed
    assert protocol_words(protocol).startswith('nyu: ')


@pytest.mark.parametrize(
    ('name', 'changes', 'message'),
    [
        ('kitti', {}, "no protocol 'kitti'.*'nyu', 'midas', 'reference_code'"),
        ('nyu', dict(cap=8), 'no key cap: it has min_depth, max_depth'),
        ('nyu', dict(min_max=True), 'no key min_max'),
        ('reference_code', dict(crop=None), 'crop: .*nothing to change'),
        ('nyu', dict(min_depth=0.0), 'min_depth < max_depth'),
        ('nyu', dict(min_depth=5.0, max_depth=5.0), 'min_depth < max_depth'),
        ('nyu', dict(crop='eigen'), "one of None, nyu_eigen.*'eigen'"),
        ('nyu', dict(average='median'), "per_image, pooled, got 'median'"),
        ('nyu', dict(alignment=()), 'each alignment once'),
        ('nyu', dict(alignment=('none', 'none')), 'each alignment once'),
        ('nyu', dict(alignment='mean'), "disparity, got 'mean'"),
        ('nyu', dict(predictions='disparity'), "alignment='disparity'"),
        ('nyu', dict(predictions='inverse'), "got 'inverse'"),
    ],
)
def test_what_does_not_exist_is_named(name, changes, message):
    with pytest.raises(ConfigError, match=message):
        get_protocol(name, **changes)
