import re

import cv2
import numpy as np
import pytest
from mmseg.registry import DATASETS
from mmseg.utils import register_all_modules
from torch.utils.data import DataLoader

from llm_mde_mm.datasets.rooms import SCENE_TYPES, geometry, render_room
from llm_mde_mm.datasets.rooms.camera import aim_camera
from llm_mde_mm.datasets.rooms.layout import draw_scene
from llm_mde_mm.datasets.rooms.render import ray_grid
from llm_mde_mm.datasets.rooms.scene_types import RECIPES
from llm_mde_mm.datasets.rooms.sensor import measure_depth
from llm_mde_mm.datasets.synthetic_rooms import SyntheticRooms

SMALL = (48, 64)
ROOM = (4.0, 5.0, 2.5)
# Middle (x, y, z), size (x, y, z) in metres, turn in radians.
BOX = (2.1, 3.4, 0.5, 0.8, 0.6, 1.0, 0.4)


@pytest.fixture(scope='module')
def pictures():
    return [render_room(0, i, SMALL) for i in range(2 * len(SCENE_TYPES))]


def camera(roll=0.03):
    return aim_camera(np.array([1.5, 0.8, 1.4]), 1.4, -0.25, roll, 0.81)


def pixel_rays(view, size):
    """Rays of unit depth through the pixel centres, float64, by OpenCV."""
    height, width = size
    rows, columns = np.mgrid[:height, :width] + 0.5
    points = np.stack([columns.ravel(), rows.ravel()], 1)[:, None]
    focal = view.focal * width
    intrinsics = np.array(
        [[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]]
    )
    flat = cv2.undistortPoints(points, intrinsics, None)[:, 0]
    rays = np.concatenate([flat, np.ones((len(flat), 1))], 1)
    return (rays @ view.axes).reshape(height, width, 3)


def slab(origin, rays, half):
    """Depth at which rays enter and leave a box about 0: the slab method."""
    with np.errstate(divide='ignore'):
        near = (-half - origin) / rays
        far = (half - origin) / rays
    enter = np.minimum(near, far).max(-1)
    leave = np.maximum(near, far).min(-1)
    return enter, leave


def cast(view, rects, size):
    hits = geometry.cast_rays(rects, view, *ray_grid(size, view.focal))
    return 1 / hits.inverse_depth[1::2, 1::2], hits.rect[1::2, 1::2]


@pytest.mark.parametrize('roll', [0.0, 0.3])
def test_empty_room_matches_slabs_in_float64(roll):
    view = camera(roll)
    depth, _ = cast(view, geometry.room_rects(ROOM, [0] * 6), SMALL)
    half = np.array(ROOM) / 2
    _, leave = slab(view.position - half, pixel_rays(view, SMALL), half)
    np.testing.assert_allclose(depth, leave, rtol=1e-5)


def test_floor_depth_is_the_planes_formula():
    view = camera(0.0)
    depth, rect = cast(view, geometry.room_rects(ROOM, [0] * 6), SMALL)
    rows, _ = np.nonzero(rect == 5)
    assert len(rows) > 100
    # A camera at 1.4 m pitched by -0.25 rad: depth by elevation of the row.
    y = (rows + 0.5 - SMALL[0] / 2) / (0.81 * SMALL[1])
    expected = 1.4 / (np.sin(0.25) + y * np.cos(0.25))
    np.testing.assert_allclose(depth[rect == 5], expected, rtol=1e-5)


def test_box_matches_slabs_in_float64():
    view = camera()
    rects = geometry.join_rects(
        geometry.room_rects(ROOM, [0] * 6),
        geometry.box_rects(np.array([BOX]), np.zeros(1, int)),
    )
    depth, rect = cast(view, rects, SMALL)
    cos, sin = np.cos(BOX[6]), np.sin(BOX[6])
    turn = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
    rays = pixel_rays(view, SMALL)
    enter, leave = slab(
        turn @ (view.position - BOX[:3]),
        rays @ turn.T,
        np.array(BOX[3:6]) / 2,
    )
    half = np.array(ROOM) / 2
    _, wall = slab(view.position - half, rays, half)
    hit = leave > enter
    assert hit.sum() > 50
    expected = np.where(hit, enter, wall)
    # Rays that graze an edge may fall to either side of it.
    clear = np.abs(leave - enter) > 0.01
    np.testing.assert_allclose(depth[clear], expected[clear], rtol=1e-4)
    np.testing.assert_array_equal((rect >= 6)[clear], hit[clear])


def test_box_that_reaches_behind_the_camera_is_seen():
    view = aim_camera(np.array([2.0, 2.0, 1.2]), 0.0, 0.0, 0.0, 0.81)
    shelf = np.array([[2.0, 1.4, 1.2, 3.0, 0.2, 2.0, 0.0]])
    rects = geometry.join_rects(
        geometry.room_rects(ROOM, [0] * 6),
        geometry.box_rects(shelf, np.zeros(1, int)),
    )
    depth, rect = cast(view, rects, SMALL)
    column = SMALL[1] - 1
    middle = SMALL[0] // 2
    # The shelf's face is 0.5 m to the right of the optical axis.
    expected = 0.5 * 0.81 * SMALL[1] / (column + 0.5 - SMALL[1] / 2)
    assert rect[middle, column] >= 6
    assert depth[middle, column] == pytest.approx(expected, rel=1e-4)


def test_no_ray_slips_through_a_seam(pictures):
    for index in range(len(SCENE_TYPES)):
        depth = pictures[index].depth_true
        # A pixel far behind all of its eight neighbours is a crack.
        near = cv2.dilate(depth, np.ones((3, 3), np.uint8) - _middle())
        assert not (depth > near * 1.5).any()


def _middle():
    kernel = np.zeros((3, 3), np.uint8)
    kernel[1, 1] = 1
    return kernel


def test_camera_axes_are_right_handed_and_unit():
    axes = camera().axes
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(np.cross(axes[0], axes[1]), axes[2])


def test_camera_keeps_clear_of_walls_and_furniture():
    for index in range(0, 200, 3):
        name = SCENE_TYPES[index % len(SCENE_TYPES)]
        scene = draw_scene(np.random.default_rng((1, index)), name)
        position = scene.camera.position
        assert (position > 0.45).all()
        assert (position < np.array(scene.size) - 0.45).all()
        assert 1.0 <= position[2] <= 1.7
        for x, y, width, depth, turn, _ in scene.pieces:
            offset = position[:2] - (x, y)
            cos, sin = np.cos(turn), np.sin(turn)
            local = [offset @ (cos, sin), offset @ (-sin, cos)]
            gap = np.abs(local) - (width / 2, depth / 2)
            assert gap.max() > 0.4


def test_diagonals_stay_within_the_depth_range():
    for name, recipe in RECIPES.items():
        diagonal = np.hypot(recipe.extent[1], recipe.extent[1])
        # The camera is half a metre from every wall.
        assert diagonal - 0.5 * np.sqrt(2) < 10, name


def test_same_seed_and_index_give_the_same_bits():
    first, second = render_room(3, 7, SMALL), render_room(3, 7, SMALL)
    for a, b in zip(first, second, strict=True):
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


@pytest.mark.parametrize('other', [(3, 8), (4, 7)])
def test_other_seed_or_index_gives_another_picture(other):
    first = render_room(3, 7, SMALL, 'office')
    second = render_room(*other, SMALL, 'office')
    assert (first.image != second.image).mean() > 0.5
    assert (first.depth_true != second.depth_true).mean() > 0.9


def test_global_generator_is_neither_read_nor_moved():
    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    first = render_room(0, 5, SMALL)
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    np.random.seed(2)
    second = render_room(0, 5, SMALL)
    np.testing.assert_array_equal(first.image, second.image)


def test_scene_types_are_nyus():
    from mmseg.datasets import NYUDataset

    assert SCENE_TYPES == NYUDataset.METAINFO['classes']
    assert set(RECIPES) == set(SCENE_TYPES)


def test_every_scene_type_renders(pictures):
    for index, picture in enumerate(pictures):
        assert picture.scene_type == SCENE_TYPES[index % 27]
        assert picture.image.shape == (*SMALL, 3)
        assert picture.image.dtype == np.uint8
        assert picture.image.std() > 3
        assert 20 < picture.image.mean() < 235
        assert picture.depth.dtype == np.float32
        assert picture.depth_true.shape == SMALL


def test_depth_range_holes_and_millimetres(pictures):
    shares = []
    for picture in pictures:
        depth = picture.depth
        valid = depth > 0
        shares.append(valid.mean())
        assert ((depth[valid] > 0.2) & (depth[valid] < 10)).all()
        assert picture.depth_true.min() > 0.2
        assert picture.depth_true.max() < 10
        steps = depth.astype(np.float64) * 1000
        np.testing.assert_allclose(steps, np.rint(steps), atol=1e-3)
    assert min(shares) > 0.75
    assert 0.9 < np.mean(shares) < 1


def test_sensor_changes_the_measurement_only():
    noisy, clean = (render_room(0, 6, SMALL, None, s) for s in (True, False))
    np.testing.assert_array_equal(noisy.depth_true, clean.depth_true)
    np.testing.assert_array_equal(clean.depth, clean.depth_true)
    difference = noisy.image.astype(int) - clean.image
    assert 0.3 < difference.std() < 8
    assert abs(difference.mean()) < 0.5


def test_depth_noise_grows_as_nguyen_et_al():
    for depth in (1.0, 4.0):
        plane = np.full((200, 200), depth, np.float32)
        rng = np.random.default_rng(0)
        got = measure_depth(plane, np.zeros_like(plane), 500.0, rng)
        sigma = 0.0012 + 0.0019 * (depth - 0.4) ** 2
        error = got[got > 0] - depth
        assert error.std() == pytest.approx(sigma, rel=0.1)
        assert abs(error.mean()) < 0.1 * sigma


def test_projector_shadow_is_as_wide_as_the_disparity():
    plane = np.full((300, 200), 4.0, np.float32)
    plane[:, 100:] = 1.0
    rng = np.random.default_rng(0)
    hole = measure_depth(plane, np.zeros_like(plane), 520.0, rng) == 0
    # Disparity = focal * baseline / depth; blobs are rare.
    width = 520 * 0.075 * (1 / 1.0 - 1 / 4.0)
    share = hole.mean(0)
    start = int(100 - width)
    assert share[start + 2 : 100].min() > 0.95
    assert share[: start - 2].max() < 0.3
    assert share[101:].max() < 0.3


def test_unknown_scene_type_of_a_picture_is_refused():
    with pytest.raises(ValueError, match='garage.*bathroom'):
        render_room(0, 0, SMALL, 'garage')


@pytest.mark.parametrize(
    'key, value',
    [
        ('num_rooms', 0),
        ('num_rooms', 2.0),
        ('seed', -1),
        ('seed', True),
        ('first_index', -3),
        ('size', (120,)),
        ('size', (120, 8)),
        ('size', 160),
        ('scene_types', ['office', 'garage']),
        ('scene_types', 'office'),
        ('scene_types', []),
    ],
)
def test_bad_arguments_are_refused_by_name(key, value):
    with pytest.raises(ValueError, match=key):
        SyntheticRooms(**{'num_rooms': 2, 'size': SMALL, key: value})


def test_unknown_scene_types_list_those_that_exist():
    with pytest.raises(ValueError, match=re.escape('garage')) as error:
        SyntheticRooms(2, scene_types=['garage'])
    assert all(name in str(error.value) for name in SCENE_TYPES)


def test_items_hold_what_transforms_expect():
    rooms = SyntheticRooms(30, seed=2, first_index=4, size=SMALL)
    assert len(rooms) == 30
    item = rooms[-1]
    picture = render_room(2, 33, SMALL)
    np.testing.assert_array_equal(item['img'], picture.image)
    np.testing.assert_array_equal(item['gt_depth_map'], picture.depth)
    assert item['scene'] == SCENE_TYPES[33 % 27] == 'kitchen'
    assert item['img_path'] == 'kitchen_00033.jpg'
    assert item['sample_idx'] == 29
    assert item['img_shape'] == item['ori_shape'] == SMALL
    assert item['seg_fields'] == ['gt_depth_map']
    assert rooms.metainfo['classes'] == SCENE_TYPES
    assert rooms.metainfo['task_name'] == 'depth estimation'


def test_ranges_of_one_series_agree():
    whole = SyntheticRooms(6, size=SMALL)
    tail = SyntheticRooms(2, first_index=4, size=SMALL)
    np.testing.assert_array_equal(whole[5]['img'], tail[1]['img'])


def test_chosen_scene_types_take_turns():
    rooms = SyntheticRooms(
        5, size=SMALL, scene_types=['office', 'cafe'], lazy_init=True
    )
    assert not rooms._fully_initialized
    rooms.full_init()
    scenes = [rooms[i]['scene'] for i in range(5)]
    assert scenes == ['office', 'cafe', 'office', 'cafe', 'office']
    np.testing.assert_array_equal(
        rooms[1]['img'], render_room(0, 1, SMALL, 'cafe').image
    )


@pytest.mark.parametrize('sensor_noise', [True, False])
def test_cache_is_bit_equal_and_out_of_reach(sensor_noise):
    settings = dict(size=SMALL, sensor_noise=sensor_noise)
    plain = SyntheticRooms(2, **settings)
    cached = SyntheticRooms(2, cache=True, **settings)
    for _ in range(3):
        expected, got = plain[1], cached[1]
        for key in ('img', 'gt_depth_map'):
            assert got[key].dtype == expected[key].dtype
            assert got[key].tobytes() == expected[key].tobytes()
            # In-place augmentation must not reach the cache.
            got[key][:] = 7
    assert plain._cache is None
    assert set(cached._cache) == {1}


def test_loader_workers_give_the_same_pictures():
    register_all_modules(init_default_scope=True)
    rooms = DATASETS.build(
        dict(
            type='SyntheticRooms',
            num_rooms=4,
            size=SMALL,
            cache=True,
            pipeline=[
                dict(type='Resize', scale=(96, 72)),
                dict(type='RandomFlip', prob=1.0),
                dict(type='PackSegInputs', meta_keys=('img_path', 'flip')),
            ],
        )
    )
    runs = [
        [batch[0] for batch in DataLoader(rooms, 1, False, num_workers=n,
                                          collate_fn=list)]
        for n in (0, 2)
    ]  # fmt: skip
    for index, (alone, worked) in enumerate(zip(*runs, strict=True)):
        assert alone['inputs'].shape == (3, 72, 96)
        assert alone['inputs'].equal(worked['inputs'])
        maps = [s['data_samples'].gt_depth_map.data for s in (alone, worked)]
        assert maps[0].equal(maps[1])
        # Flipped and enlarged by nearest neighbour, never averaged.
        depth = render_room(0, index, SMALL).depth
        expected = cv2.resize(
            depth, (96, 72), interpolation=cv2.INTER_NEAREST
        )[:, ::-1]
        np.testing.assert_array_equal(maps[0][0].numpy(), expected)
        assert alone['data_samples'].flip
