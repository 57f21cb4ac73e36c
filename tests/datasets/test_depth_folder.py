import json
import pickle
import re
import shutil
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmseg.registry import DATASETS

from llm_mde_mm.apis import launch
from llm_mde_mm.datasets import SyntheticRooms
from llm_mde_mm.datasets.depth_folder import DepthFolderDataset
from llm_mde_mm.datasets.inspection import inspect_all
from llm_mde_mm.datasets.splits import choose, split_digest
from llm_mde_mm.datasets.transforms import LoadDepth, LoadPicture
from llm_mde_mm.utils.depth_io import write_depth_npy, write_depth_png
from llm_mde_mm.utils.errors import ConfigError, DataError

ROOT = Path(__file__).parents[2]
PIPELINE = [LoadPicture(), LoadDepth()]
GLOBS = dict(image_glob='*/rgb/*.jpg', depth_glob='*/depth/*.png')


def write_pfm(path, depth, order='<'):
    """The format's definition: rows from bottom to top, sign = order."""
    height, width = depth.shape
    sign = -1 if order == '<' else 1
    data = depth[::-1].astype(f'{order}f4').tobytes()
    path.write_bytes(f'Pf\n{width} {height}\n{sign}.0\n'.encode() + data)


@pytest.fixture
def root(tmp_path):
    """Two scenes of two pictures; stored depth is scene * 100 + number."""
    for s, scene in enumerate(('attic', 'hall')):
        for kind in ('rgb', 'depth'):
            (tmp_path / scene / kind).mkdir(parents=True)
        for number in (7, 8):
            image = np.full((4, 6, 3), 99, np.uint8)
            depth = np.full((4, 6), 100 * s + number, np.uint16)
            depth[0, 0] = 65535
            cv2.imwrite(str(tmp_path / f'{scene}/rgb/{number}.jpg'), image)
            cv2.imwrite(str(tmp_path / f'{scene}/depth/{number}.png'), depth)
    return tmp_path


def folder(root, **changes):
    cfg = dict(data_root=root, depth_scale=0.001, scene_from=0, **GLOBS)
    return DepthFolderDataset(**{**cfg, **changes})


def names(dataset):
    return [dataset.get_data_info(i)['name'] for i in range(len(dataset))]


def test_items(root):
    dataset = DATASETS.build(
        dict(
            type='DepthFolderDataset',
            data_root=str(root),
            depth_scale=1 / 5000,
            invalid_values=[65535],
            scene_from=0,
            **GLOBS,
        )
    )
    assert dataset[3] == dict(
        img_path=f'{root}/hall/rgb/8.jpg',
        depth_map_path=f'{root}/hall/depth/8.png',
        name='hall/rgb/8.jpg',
        scene='hall',
        metres_per_unit=1 / 5000,
        invalid_values=(65535,),
        seg_fields=[],
        sample_idx=3,
    )
    pickle.loads(pickle.dumps(dataset))  # for workers that are spawned


def test_scale_and_invalid_values(root):
    dataset = folder(
        root,
        depth_scale=1 / 5000,
        invalid_values=[65535, -1],
        pipeline=PIPELINE,
    )
    depth = dataset[3]['gt_depth_map']
    assert depth.dtype == np.float32 and depth[0, 0] == 0
    np.testing.assert_allclose(depth[1:], 108 / 5000, rtol=1e-6)
    kept = folder(root, pipeline=PIPELINE)[3]['gt_depth_map']
    np.testing.assert_allclose(kept[0, 0], 65.535, rtol=1e-6)


@pytest.mark.parametrize('kind', ['npy', 'pfm', 'pfm_big'])
def test_float_files(root, kind):
    depth = np.arange(24, dtype=np.float32).reshape(4, 6) / 4
    depth[1, 1], depth[1, 2], depth[1, 3] = np.nan, np.inf, -3
    for path in root.glob('*/depth/*.png'):
        if kind == 'npy':
            np.save(path.with_suffix('.npy'), depth)
        else:
            order = '>' if kind == 'pfm_big' else '<'
            write_pfm(path.with_suffix('.pfm'), depth, order)
    dataset = folder(
        root,
        depth_glob=f'*/depth/*.{kind[:3]}',
        depth_scale=1,
        invalid_values=[1.25],
        pipeline=PIPELINE,
    )
    expected = depth.copy()
    expected[1, 1:4] = expected[0, 5] = 0
    np.testing.assert_array_equal(dataset[0]['gt_depth_map'], expected)


def test_npy_round_trip_without_an_item_scale(root):
    path = root / 'depth.npy'
    write_depth_npy(path, np.full((4, 6), 2.5))
    item = dict(
        img_path=str(root / 'hall/rgb/7.jpg'), depth_map_path=str(path)
    )
    item = LoadDepth(depth_scale=1)(LoadPicture()(item))
    np.testing.assert_array_equal(item['gt_depth_map'], 2.5)


@pytest.mark.parametrize(
    ('suffix', 'data', 'message'),
    [
        ('npy', b'no array', 'cannot be decoded'),
        ('npy', b'', 'empty'),
        ('pfm', b'P6 2 2 255\n', 'PFM header'),
        ('pfm', b'Pf\n6 4\n-1.0\n1234', '96 bytes, it has 4'),
        ('pfm', b'PF\n6 4\n-1.0\n', '3 channels'),
        ('png', b'no picture', 'cannot be decoded'),
    ],
)
def test_damaged_depth_is_named(root, suffix, data, message):
    for path in root.glob('*/depth/*.png'):
        path.with_suffix(f'.{suffix}').write_bytes(data)
    dataset = folder(root, depth_glob=f'*/depth/*.{suffix}', pipeline=PIPELINE)
    with pytest.raises(DataError, match=rf'hall/depth/8\.{suffix}.*{message}'):
        dataset[3]


@pytest.mark.parametrize(
    ('array', 'message'),
    [
        (np.zeros((4, 6, 3)), r'\(4, 6, 3\)'),
        (np.zeros((6, 4)), '6 x 4 .*4 x 6'),
        (np.array([['a']]), 'not numbers'),
        (np.array([[{}]], dtype=object), 'pickle'),
    ],
)
def test_unfit_array(root, array, message):
    for path in root.glob('*/depth/*.png'):
        np.save(path.with_suffix('.npy'), array)
    dataset = folder(root, depth_glob='*/depth/*.npy', pipeline=PIPELINE)
    with pytest.raises(DataError, match=f'7.npy.*{message}'):
        dataset[0]


def test_extensions_and_folders_at_any_depth(root):
    (root / 'attic/rgb/7.jpg').rename(root / 'attic/rgb/7.jpeg')
    dataset = folder(
        root, image_glob='**/rgb/*.*', depth_glob='**/depth/*.png'
    )
    assert names(dataset) == [
        'attic/rgb/7.jpeg',
        'attic/rgb/8.jpg',
        'hall/rgb/7.jpg',
        'hall/rgb/8.jpg',
    ]
    depths = [dataset.get_data_info(i)['depth_map_path'] for i in range(4)]
    assert [d.rpartition('/')[2] for d in depths] == 2 * ['7.png', '8.png']


def test_by_order(root):
    for path in sorted(root.glob('*/depth/7.png')):
        path.rename(path.with_name('6.500.png'))
    with pytest.raises(DataError, match='2 of 4 .*attic/rgb/7.jpg'):
        folder(root)
    dataset = folder(root, pair_by='order')
    assert dataset[0]['depth_map_path'].endswith('attic/depth/6.500.png')
    (root / 'attic/depth/6.500.png').unlink()
    with pytest.raises(DataError, match='4 pictures .* 3 depth maps'):
        folder(root, pair_by='order')


def test_files_that_do_not_pair(root):
    (root / 'hall/rgb/8.jpg').unlink()
    assert len(folder(root)) == 3  # a spare depth map is no mistake
    (root / 'attic/depth/8.png').unlink()
    with pytest.raises(DataError, match='1 of 3 .*attic/rgb/8.jpg'):
        folder(root)


def test_all_files_without_depth_are_listed(root):
    for number in range(10, 16):
        image = root / f'hall/rgb/{number}.jpg'
        image.write_bytes((root / 'hall/rgb/7.jpg').read_bytes())
    lone = [f'hall/rgb/{number}.jpg' for number in range(10, 16)]
    with pytest.raises(DataError) as info:
        folder(root)
    assert str(info.value).splitlines()[1:] == [f'  {n}' for n in lone]
    dataset = folder(
        root, depth_glob='*/depth/*.*', check_files=False, pipeline=PIPELINE
    )
    assert len(dataset) == 10
    assert dataset[names(dataset).index('hall/rgb/8.jpg')]['scene'] == 'hall'
    place = names(dataset).index('hall/rgb/12.jpg')
    with pytest.raises(DataError, match=r'hall/depth/12\.\*: .* is missing'):
        dataset[place]


def test_two_depth_maps(root):
    np.save(root / 'hall/depth/7.npy', np.ones((4, 6)))
    with pytest.raises(DataError, match='hall/depth/7.npy.*hall/depth/7.png'):
        folder(root, depth_glob='*/depth/*.*')


def test_two_pictures_of_one_name(root):
    twin = root / 'hall/rgb/7.png'
    twin.write_bytes((root / 'hall/rgb/7.jpg').read_bytes())
    assert len(folder(root)) == 4
    with pytest.raises(DataError, match='two .*rgb/7.jpg.*rgb/7.png'):
        folder(root, image_glob='*/rgb/*.*')


def test_nothing_matches(root):
    with pytest.raises(DataError, match=r"'\*.jpg' in .*attic, hall"):
        folder(root, image_glob='*.jpg')
    with pytest.raises(DataError, match='nowhere.*does not exist'):
        folder(root / 'nowhere')


def test_subsets(root, tmp_path):
    everything = names(folder(root))
    shots = folder(root, subset=dict(shots=1, seed=3))
    expected = choose(
        everything, dict(shots=1, seed=3), lambda name: name.split('/')[0]
    )
    assert names(shots) == expected
    assert [name.split('/')[0] for name in expected] == ['attic', 'hall']
    rest = folder(root, subset=dict(shots=1, seed=3, complement=True))
    assert sorted(names(rest) + expected) == everything
    (tmp_path / 'list.txt').write_text('# two\n' + '\n'.join(expected))
    listed = folder(root, subset=dict(list_file=str(tmp_path / 'list.txt')))
    assert names(listed) == expected
    with pytest.raises(DataError, match='leaves none of the 4'):
        folder(root, subset=dict(evenly_spaced=4, complement=True))


def test_scenes(root):
    by_text = folder(root, scene_from=r'/(\d)\.', subset=dict(scenes='7'))
    assert names(by_text) == ['attic/rgb/7.jpg', 'hall/rgb/7.jpg']
    assert folder(root, scene_from=None)[0]['scene'] is None
    with pytest.raises(DataError, match='attic.*has no scene.*scene_from'):
        folder(root, scene_from=None, subset=dict(shots=1))
    with pytest.raises(DataError, match='2 folders.*scene_from=2'):
        folder(root, scene_from=2)
    with pytest.raises(DataError, match='matches nothing'):
        folder(root, scene_from='kitchen')


@pytest.fixture
def index(root):
    content = dict(
        root='.',
        depth_scale=0.001,
        items=[
            dict(
                image=f'{scene}/rgb/{number}.jpg',
                depth=f'{scene}/depth/{number}.png',
                scene='top' if scene == 'attic' else 'bottom',
                room='only',
                split='train' if number == 7 else 'test',
                focal=500.0,
            )
            for scene in ('attic', 'hall')
            for number in (7, 8)
        ],
    )
    content['items'][0]['depth_scale'] = 0.5
    del content['items'][2]['focal']
    path = root / 'index.json'
    path.write_text(json.dumps(content))
    return path


def change(index, **changes):
    content = json.loads(index.read_text())
    content.update(changes)
    index.write_text(json.dumps(content))


def test_index(index):
    dataset = DepthFolderDataset(index=str(index), split='train')
    first, second = dataset[0], dataset[1]
    assert first['img_path'].endswith('attic/rgb/7.jpg')
    assert (first['scene'], first['room']) == ('top', 'only')
    assert (first['focal'], first['metres_per_unit']) == (500.0, 0.5)
    assert 'focal' not in second and second['metres_per_unit'] == 0.001
    assert len(DepthFolderDataset(index=str(index))) == 4
    rule = dict(shots=1)
    rooms = DepthFolderDataset(index=str(index), subset=rule, group_by='room')
    assert len(rooms) == 1
    assert len(DepthFolderDataset(index=str(index), subset=rule)) == 2


def test_scenes_of_an_index_may_be_numbers(index):
    items = json.loads(index.read_text())['items']
    for number, item in enumerate(items):
        item.update(scene=number // 2, room=7)
    change(index, items=items, root=None)
    dataset = DepthFolderDataset(index=str(index))
    assert [item['scene'] for item in dataset] == ['0', '0', '1', '1']
    for scenes in ([0], ['0']):
        part = DepthFolderDataset(index=str(index), subset=dict(scenes=scenes))
        assert len(part) == 2
    assert part[0]['room'] == '7'


def test_index_errors(index, tmp_path):
    def build(**kwargs):
        return DepthFolderDataset(index=str(index), **kwargs)

    with pytest.raises(DataError, match="split 'val'; there are test, train"):
        build(split='val')
    items = json.loads(index.read_text())['items']
    change(index, root='gone')
    with pytest.raises(DataError, match='8 files that do not exist') as info:
        build()
    assert sum('/gone/' in line for line in str(info.value).split('\n')) == 8
    assert len(build(check_files=False)) == 4
    assert len(build(data_root=str(tmp_path))) == 4
    change(index, root='.', items=[items[1], items[1]])
    with pytest.raises(DataError, match='twice: attic/rgb/8.jpg'):
        build()
    change(index, items=[dict(image='a.jpg')])
    with pytest.raises(DataError, match="item 0 .*no 'depth'"):
        build()
    change(index, items=items, depth_scale=1000)
    with pytest.raises(ConfigError, match='index.json.*written 1/1000'):
        build()
    index.write_text('{')
    with pytest.raises(DataError, match='cannot read index.*index.json'):
        build()


def test_pictures_larger_than_their_depth(root):
    """Sides of ScanNet's export, a hundredth or so of each."""
    picture = np.random.default_rng(0).integers(0, 256, (97, 130, 3), np.uint8)
    for path in root.glob('*/rgb/*.jpg'):
        cv2.imwrite(str(path), picture)
    for path in root.glob('*/depth/*.png'):
        depth = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64)
        cv2.imwrite(str(path), depth)
    with pytest.raises(DataError, match='48 x 64 .*97 x 130.*resize_picture'):
        folder(root, pipeline=PIPELINE)[0]
    item = folder(root, pipeline=PIPELINE, resize_picture=True)[0]
    read = cv2.imread(str(root / 'attic/rgb/7.jpg'))
    expected = cv2.resize(read, (64, 48), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(item['img'], expected)
    assert item['ori_shape'] == item['img_shape'] == (48, 64)
    np.testing.assert_allclose(item['gt_depth_map'], depth / 1000, rtol=1e-6)
    cv2.imwrite(str(root / 'attic/rgb/7.jpg'), picture[:95])
    with pytest.raises(DataError, match='95 x 130: .* differ by 2.6%'):
        folder(root, pipeline=PIPELINE, resize_picture=True)[0]


TUM = """# what associate.py writes of rgb.txt and depth.txt
1.02 attic/rgb/7.jpg 1.03 hall/depth/8.png

1.05 attic/rgb/8.jpg 1.07 hall/depth/7.png
"""


@pytest.mark.parametrize('columns', [2, 4])
def test_text_lists(root, columns):
    path = root / 'associations.txt'
    lines = [line.split() for line in TUM.splitlines()]
    if columns == 2:
        lines = [words if '#' in words else words[1::2] for words in lines]
    path.write_text('\n'.join(' '.join(words) for words in lines))
    cfg = dict(type='DepthFolderDataset', index=str(path), scene_from=0)
    dataset = DATASETS.build(
        dict(cfg, depth_scale=1 / 5000, pipeline=PIPELINE)
    )
    assert names(dataset) == ['attic/rgb/7.jpg', 'attic/rgb/8.jpg']
    assert dataset[1]['scene'] == 'attic'
    for place, stored in enumerate((108, 107)):
        depth = dataset[place]['gt_depth_map'][1:]
        np.testing.assert_allclose(depth, stored / 5000, rtol=1e-6)
    with pytest.raises(ConfigError, match=r'associations.txt: depth_scale'):
        DATASETS.build(cfg)


def test_text_list_errors(root):
    path = root / 'pairs.txt'
    build = partial(folder, **dict.fromkeys(GLOBS), index=str(path))
    for text, message in (
        ('a.jpg', 'line 1: 1 columns; .* 2, .* or 4'),
        ('# none', "no list 'items' of pairs"),
        ('a.jpg b.png', '2 files that do not exist.*a.jpg'),
    ):
        path.write_text(text)
        with pytest.raises(DataError, match=f'pairs.txt.*{message}'):
            build(root)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(depth_scale=5000), '5000 units a metre are written 1/5000'),
        (dict(depth_scale=None), 'give depth_scale'),
        (dict(image_glob=None), 'give image_glob'),
        (dict(split='train'), "split='train'"),
        (dict(index='a.json'), 'not both'),
        (dict(pair_by='size'), 'pair_by'),
        (dict(group_by='house'), 'group_by'),
        (dict(scene_from='('), 'no regular expression'),
        (dict(scene_from=1.5), 'scene_from'),
        (dict(subset=dict(shot=1)), "no key 'shot'"),
        (dict(ann_file='a'), "'ann_file'"),
        (dict(depth_glob='hall/depth/7.png'), '2 .*and.* 0'),
    ],
)
def test_malformed_arguments(root, changes, message):
    with pytest.raises(ConfigError, match=message):
        folder(root, **changes)


def test_no_sample_is_replaced(root):
    dataset = folder(root, pipeline=[lambda item: None])
    with pytest.raises(DataError, match='attic/rgb/7.jpg.*gave None'):
        dataset[0]


def test_the_page_trains_and_tests(tmp_path):
    page = (ROOT / 'docs/own_data.md').read_text()
    block, far = re.findall(r'```python\n(.*?)```', page, re.DOTALL)[:2]
    lines = (block.strip().splitlines(), far.strip().splitlines())
    assert [*map(len, lines)] == [10, 4]
    rooms = SyntheticRooms(num_rooms=8, size=(48, 64))
    for i in range(8):
        item = rooms[i]
        split = 'train' if i < 5 else 'test'
        scene = 'kitchen' if i % 2 else 'bedroom'
        target = tmp_path / f'data/own/{split}/{scene}'
        target.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(target / f'{i}.jpg'), item['img'])
        write_depth_png(target / f'{i}.png', item['gt_depth_map'])
    (tmp_path / 'own_data.py').write_text(
        (block + far)
        .replace("'./", f"'{ROOT}/configs/")
        .replace("'data/own'", f"'{tmp_path}/data/own'")
    )
    cfg = launch.load_config(str(tmp_path / 'own_data.py'))
    assert cfg.model.decode_head.max_depth == 80
    tiny = launch.load_config(
        str(ROOT / 'configs/_base_/models/llm_mde_tiny.py')
    )
    cfg.model = tiny.model
    cfg.model.backbone.vision.img_size = cfg.input_size
    cfg.work_dir = str(tmp_path / 'run')
    cfg.train_cfg.max_epochs = 1
    for name in ('train', 'val', 'test'):
        cfg[f'{name}_dataloader'].update(
            num_workers=0, persistent_workers=False, batch_size=2
        )
    runner = launch.build_runner(cfg)
    runner.train()
    assert runner.iter == 1
    train = runner.train_dataloader.dataset
    assert {train.get_data_info(i)['scene'] for i in range(2)} == {
        'kitchen',
        'bedroom',
    }
    assert len(runner.val_dataloader.dataset) == 3
    metrics = runner.test()
    assert len(runner.test_dataloader.dataset) == 3
    assert all(np.isfinite(metrics[key]) for key in ('abs_rel', 'd1'))
    report = runner.test_loop.evaluator.metrics[0].report()
    assert 'to 80 m, no crop' in report['protocol']


def test_digest_in_the_log(root, monkeypatch):
    lines = []
    monkeypatch.setattr(
        'llm_mde_mm.datasets.chosen.print_log',
        lambda message, logger: lines.append(message),
    )
    dataset = folder(root, subset=dict(evenly_spaced=2))
    assert lines == [
        f"DepthFolderDataset '{root}': 2 of 4 pictures, digest "
        f'{split_digest(names(dataset))}'
    ]


def test_hashes_of_check_data(root, tmp_path):
    path = tmp_path / 'hashes.json'
    samples = inspect_all(folder(root), PIPELINE)
    content = dict(problems=[], train=[one.to_json() for one in samples])
    path.write_text(json.dumps(content))
    dataset = folder(root, hashes=path, pipeline=PIPELINE)
    assert len([dataset[i] for i in range(4)]) == 4
    for name in ('hall/rgb/8.jpg', 'hall/depth/8.png'):
        file = root / name
        sound = file.read_bytes()
        # Behind the end of the picture, where a decoder sees nothing.
        file.write_bytes(sound + b'1')
        dataset = folder(root, hashes=path, pipeline=PIPELINE)
        with pytest.raises(DataError, match=f'{file}: .*SHA-256 differs'):
            dataset[3]
        folder(root, pipeline=PIPELINE)[3]
        file.write_bytes(sound)
    for kind in ('rgb/9.jpg', 'depth/9.png'):
        shutil.copy(
            root / 'hall' / kind.replace('9', '8'), root / 'hall' / kind
        )
    with pytest.raises(DataError, match=r'no hash of .*hall/rgb/9\.jpg'):
        folder(root, hashes=path)
    path.write_text('[]')
    with pytest.raises(DataError, match='cannot read hashes .*hashes.json'):
        folder(root, hashes=path)
