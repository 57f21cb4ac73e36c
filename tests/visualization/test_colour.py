import matplotlib
import numpy as np
import pytest

from llm_mde_mm.visualization import colourise_depth


def test_colours_are_those_of_the_map_at_the_depths_place():
    depth = np.array([[1.0, 2.0, 3.0]], np.float32)
    rgb = colourise_depth(depth, 1.0, 3.0, cmap='viridis')
    places = matplotlib.colormaps['viridis']([0.0, 0.5, 1.0], bytes=True)
    assert rgb.dtype == np.uint8
    np.testing.assert_array_equal(rgb[0], places[:, :3])


def test_the_scale_does_not_depend_on_the_other_pixels():
    first = colourise_depth(np.array([[2.0, 9.0]]), 0.0, 10.0)
    second = colourise_depth(np.array([[2.0, 3.0]]), 0.0, 10.0)
    np.testing.assert_array_equal(first[0, 0], second[0, 0])
    assert (first[0, 1] != second[0, 1]).any()


def test_near_is_red_and_far_is_blue():
    near, far = colourise_depth(np.array([[1.5, 8.5]]), 0.0, 10.0)[0]
    assert near[0] > near[2] and far[2] > far[0]


def test_beyond_the_ends_is_the_ends_colour():
    rgb = colourise_depth(np.array([[0.1, 1.0, 3.0, 50.0]]), 1.0, 3.0)[0]
    np.testing.assert_array_equal(rgb[0], rgb[1])
    np.testing.assert_array_equal(rgb[3], rgb[2])


def test_the_unmeasured_has_a_colour_of_its_own():
    depth = np.array([[0.0, np.nan, np.inf, -1.0, 2.0]])
    rgb = colourise_depth(depth, 0.0, 5.0, invalid_colour=(1, 2, 3))[0]
    assert (rgb[:4] == (1, 2, 3)).all() and (rgb[4] != (1, 2, 3)).any()


def test_the_default_map_holds_no_grey():
    scale = colourise_depth(np.linspace(1, 2, 999)[None], 1.0, 2.0)[0]
    spread = scale.max(-1).astype(int) - scale.min(-1)
    assert spread.min() > 20


def test_a_mask_overrules_the_sign():
    error = np.zeros((1, 2))
    valid = np.array([[True, False]])
    rgb = colourise_depth(error, 0.0, 1.0, 'magma', (9, 9, 9), valid)[0]
    assert rgb[0].tolist() == [0, 0, 3] and rgb[1].tolist() == [9, 9, 9]


@pytest.mark.parametrize(
    ('match', 'kwargs'),
    [
        ('vmin < vmax', dict(vmin=1.0, vmax=1.0)),
        ('colour map', dict(cmap='no_such_map')),
        ('valid must be', dict(valid=np.ones((1, 1), bool))),
        (r'\(H, W\)', dict(depth=np.ones((1, 2, 2)))),
    ],
)
def test_wrong_arguments_are_named(match, kwargs):
    arguments = dict(depth=np.ones((2, 2)), vmin=0.0, vmax=1.0)
    with pytest.raises(ValueError, match=match):
        colourise_depth(**arguments | kwargs)
