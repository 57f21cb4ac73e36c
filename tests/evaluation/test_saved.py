import cv2
import numpy as np
import pytest

from llm_mde_mm.datasets.transforms.reading import read_depth
from llm_mde_mm.evaluation.saved import pair_saved, read_saved
from llm_mde_mm.utils.depth_io import write_depth_npy, write_depth_png
from llm_mde_mm.utils.errors import ConfigError, DataError


@pytest.fixture
def folders(tmp_path):
    """Three maps of 6 x 8 in each of the folders pred and gt."""
    draw = np.random.default_rng(0)
    for kind in ('pred', 'gt'):
        (tmp_path / kind).mkdir()
        for name in 'abc':
            depth = draw.uniform(1, 9, (6, 8))
            write_depth_png(tmp_path / f'{kind}/{name}.png', depth)
    return tmp_path / 'pred', tmp_path / 'gt'


def test_files_pair_by_name_and_give_metres(folders):
    pred, gt = folders
    pairs = pair_saved(pred, gt)
    assert [pair.name for pair in pairs] == ['a', 'b', 'c']
    sample = read_saved(pairs[1])
    for key, folder in (('pred_depth_map', pred), ('gt_depth_map', gt)):
        stored = cv2.imread(str(folder / 'b.png'), cv2.IMREAD_UNCHANGED)
        want = stored.astype(np.float32) / np.float32(1000)
        assert np.array_equal(sample[key]['data'][0].numpy(), want)
    assert sample['img_path'] == str(pred / 'b.png')


def test_folders_below_belong_to_the_name(folders):
    pred, gt = folders
    for folder in folders:
        (folder / 'kitchen').mkdir()
        (folder / 'a.png').rename(folder / 'kitchen/b.png')
        (folder / '._c.png').write_bytes(b'no picture')
    pairs = pair_saved(pred, gt)
    assert [pair.name for pair in pairs] == ['b', 'c', 'kitchen/b']
    assert pairs[2].gt == gt / 'kitchen/b.png'


def test_linked_folders_are_read_and_loops_are_not(folders, tmp_path):
    for folder in folders:
        (tmp_path / f'far_{folder.name}').mkdir()
        (folder / 'a.png').rename(tmp_path / f'far_{folder.name}/b.png')
        (folder / 'hall').symlink_to(tmp_path / f'far_{folder.name}')
        (folder / 'hall/up').symlink_to(folder)
    names = [pair.name for pair in pair_saved(*folders)]
    assert names == ['b', 'c', 'hall/b']


def test_depth_beyond_what_a_png_holds(tmp_path):
    with pytest.warns(UserWarning, match=f'{tmp_path}: depth beyond 65.535'):
        write_depth_png(tmp_path / 'far.png', np.array([[1.0, 65.6]]))


def test_suffixes_choose_files_and_scales_give_metres(folders):
    pred, gt = folders
    for name in 'abc':
        depth = np.full((6, 8), 2.5)
        write_depth_npy(pred / f'{name}_depth.npy', depth)
        cv2.imwrite(
            str(gt / f'{name}.tum.png'), np.full((6, 8), 12500, np.uint16)
        )
    pairs = pair_saved(pred, gt, '_depth.npy', '.tum.png')
    assert [pair.name for pair in pairs] == ['a', 'b', 'c']
    sample = read_saved(pairs[0], gt_scale=1 / 5000)
    for key in ('pred_depth_map', 'gt_depth_map'):
        assert (sample[key]['data'] == 2.5).all()
    half = read_saved(pairs[0], pred_scale=0.5)['pred_depth_map']['data']
    assert (half == 1.25).all()
    with pytest.raises(ConfigError, match='gt_scale must be above 0, got 0'):
        read_saved(pairs[0], gt_scale=0)


def test_another_count_is_named(folders):
    pred, gt = folders
    (pred / 'b.png').unlink()
    with pytest.raises(
        DataError, match='^2 predictions in .*3 ground.*1 ground.*: b$'
    ):
        pair_saved(pred, gt)
    (gt / 'b.png').unlink()
    (gt / 'c.png').unlink()
    with pytest.raises(DataError, match='1 predictions without.*: c$'):
        pair_saved(pred, gt)


def test_all_files_without_a_partner_are_listed(folders):
    pred, gt = folders
    names = [f'more_{i}' for i in range(7)]
    for name in names:
        write_depth_png(gt / f'{name}.png', np.ones((6, 8)))
    with pytest.raises(DataError, match='7 ground-truth maps') as info:
        pair_saved(pred, gt)
    assert str(info.value).splitlines()[1:] == [f'  {n}' for n in names]


def test_another_size_names_both_files_and_sizes(folders):
    pred, gt = folders
    write_depth_png(pred / 'c.png', np.ones((3, 4)))
    with pytest.raises(
        DataError, match=r'pred/c\.png is 3 x 4 .*gt/c\.png 6 x 8'
    ):
        read_saved(pair_saved(pred, gt)[2])


def test_folders_without_depth_files(folders, tmp_path):
    pred, gt = folders
    with pytest.raises(DataError, match='no folder .*nowhere'):
        pair_saved(tmp_path / 'nowhere', gt)
    (tmp_path / 'jpg').mkdir()
    with pytest.raises(DataError, match='holds no depth file.*nothing'):
        pair_saved(pred, tmp_path / 'jpg')
    (tmp_path / 'jpg/x.jpg').write_bytes(b'1')
    with pytest.raises(DataError, match=r'jpg.*no depth file.*x\.jpg'):
        pair_saved(tmp_path / 'jpg', gt)
    with pytest.raises(ConfigError, match=r"--gt-suffix is '\.jpg'"):
        pair_saved(pred, gt, gt_suffix='.jpg')


def test_two_forms_of_one_prediction(folders):
    pred, gt = folders
    write_depth_npy(pred / 'a.npy', np.ones((6, 8)))
    with pytest.raises(DataError, match=r"two files for 'a'.*--pred-suffix"):
        pair_saved(pred, gt)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'', r'b\.png.*empty'),
        (b'text', r'b\.png.*cannot be decoded'),
        (np.ones((6, 8), np.uint8), r'b\.png.*8-bit'),
    ],
)
def test_files_that_are_no_depth_map(folders, content, message):
    pred, gt = folders
    if isinstance(content, bytes):
        (pred / 'b.png').write_bytes(content)
    else:
        cv2.imwrite(str(pred / 'b.png'), content)
    with pytest.raises(DataError, match=message):
        read_saved(pair_saved(pred, gt)[1])


@pytest.mark.parametrize('place', range(10, 40))
def test_a_damaged_numpy_header(tmp_path, place):
    path = tmp_path / 'a.npy'
    write_depth_npy(path, np.ones((6, 8)))
    data = bytearray(path.read_bytes())
    data[place] = ord('(')
    path.write_bytes(data)
    with pytest.raises(DataError, match=f'{path}: depth map cannot be dec'):
        read_depth(str(path))
