"""The tools that list, check and show data, on a handful of pictures."""

import hashlib
import json
import sys
import time

import cv2
import numpy as np
import pytest
import torch
from mmseg.registry import DATASETS
from torch.utils.data import Dataset

from llm_mde_mm.apis import launch
from llm_mde_mm.apis.data_benchmark import _loader_rate
from llm_mde_mm.datasets import NYUDepthDataset
from llm_mde_mm.datasets.splits import k_shot, split_digest
from llm_mde_mm.utils.errors import ConfigError, DataError, WriteError
from tests.datasets.conftest import prepared as prepared
from tests.tools.conftest import ROOT, run
from tools import benchmark_data, browse_dataset, check_data, make_fewshot

NYU = str(ROOT / 'configs/llm_mde_nyu_fewshot.py')
ROOMS = str(ROOT / 'configs/quickstart/rooms.py')
SIZES = dict(cafe=1, kitchen=5, study=3)
NAMES = sorted(
    f'{scene}_{i:05}' for scene, size in SIZES.items() for i in range(size)
)


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A tree in the NYU layout; depth is 1 m, 3 m and a column of holes."""
    depth = np.full((24, 32), 1000, np.uint16)
    depth[:, 16:] = 3000
    depth[:, :8] = 0
    for offset, split in enumerate(('train', 'test')):
        for kind in ('images', 'annotations'):
            (tmp_path / kind / split).mkdir(parents=True)
        for i, name in enumerate(NAMES):
            image = np.full((24, 32, 3), 20 * i + 9 * offset, np.uint8)
            image[:, :16] = 255
            cv2.imwrite(str(tmp_path / f'images/{split}/{name}.jpg'), image)
            path = tmp_path / f'annotations/{split}/{name}.png'
            cv2.imwrite(str(path), depth)
    monkeypatch.setenv('NYU_ROOT', str(tmp_path))
    return tmp_path


@pytest.fixture
def call(monkeypatch, capsys):
    """Run a tool's main in this process; return what it printed."""

    def run_main(tool, *arguments):
        argv = ['tool', *(str(argument) for argument in arguments)]
        monkeypatch.setattr(sys, 'argv', argv)
        tool.main()
        return capsys.readouterr().out

    return run_main


@pytest.mark.parametrize('shots', [1, 2])
def test_list_is_the_draw_of_the_data_set(root, call, shots):
    path = root / 'lists/few.txt'
    out = call(make_fewshot, NYU, '--shots', shots, '--seed', 7, '--out', path)
    expected = k_shot(NAMES, shots, seed=7)
    text = path.read_text()
    lines = text.splitlines()
    assert [line for line in lines if not line.startswith('#')] == expected
    digest = split_digest(expected)
    assert f'{len(expected)} of 9 pictures, digest {digest}' in text
    assert digest in out and '"seed": 7' in text
    assert ('fewer than 2 of: cafe 1' in out) == (shots == 2)
    listed = NYUDepthDataset(root, subset=dict(list_file=str(path)))
    drawn = NYUDepthDataset(root, subset=dict(shots=shots, seed=7))
    assert [listed[i] for i in range(len(listed))] == [
        drawn[i] for i in range(len(drawn))
    ]


def test_other_rules(root, call):
    path = root / 'few.txt'
    call(make_fewshot, NYU, '--evenly-spaced', 3, '--out', path)
    assert path.read_text().splitlines()[-3:] == [NAMES[i] for i in (0, 3, 6)]
    path = root / 'two.txt'
    call(make_fewshot, NYU, '--one-each-of', 2, '--out', path)
    names = path.read_text().splitlines()[-2:]
    assert [name.rpartition('_')[0] for name in names] == ['cafe', 'kitchen']


def listed(path):
    lines = path.read_text().splitlines()
    return [line for line in lines if not line.startswith('#')]


def test_scene_types(root, call):
    path = root / 'kitchen.txt'
    call(make_fewshot, NYU, '--scenes', 'kitchen', '--out', path)
    assert listed(path) == [n for n in NAMES if n.startswith('kitchen')]
    path = root / 'few.txt'
    scenes = ('--scenes', 'cafe', 'study')
    call(make_fewshot, NYU, '--shots', 2, *scenes, '--out', path)
    expected = [n for n in NAMES if not n.startswith('kitchen')]
    assert listed(path) == k_shot(expected, 2)
    with pytest.raises(ConfigError, match='--seed goes with a draw'):
        even = ('--evenly-spaced', 3, '--seed', 1)
        call(make_fewshot, NYU, *even, '--out', root / 'none.txt')
    with pytest.raises(ConfigError, match='--shots, --rooms, .*--configured'):
        call(make_fewshot, NYU, '--seed', 1, '--out', root / 'none.txt')


def test_the_list_is_what_a_run_of_the_config_trains_on(root, call):
    seed = ('--cfg-options', 'randomness.seed=3')
    cfg = launch.load_config(NYU, {'randomness.seed': 3})
    names = k_shot(NAMES, 1, seed=3)
    assert names != k_shot(NAMES, 1, seed=0)
    trained = DATASETS.build(cfg.train_dataloader.dataset)
    for number, rule in enumerate((['--configured'], ['--shots', 1])):
        path = root / f'{number}.txt'
        out = call(make_fewshot, NYU, *rule, '--out', path, *seed)
        assert listed(path) == names
        assert f'digest {trained.split_digest}' in out
    own = ('train_dataloader.dataset.subset.seed=8',)
    path = root / 'own.txt'
    call(make_fewshot, NYU, '--configured', '--out', path, *seed, *own)
    assert listed(path) == k_shot(NAMES, 1, seed=8)
    for more in (('--seed', 1), ('--scenes', 'cafe')):
        with pytest.raises(ConfigError, match='leave out --seed and --scenes'):
            call(make_fewshot, NYU, '--configured', *more, '--out', path)


def test_a_list_is_never_overwritten(root, call):
    path = root / 'few.txt'
    call(make_fewshot, NYU, '--shots', 1, '--out', path)
    before = path.read_bytes()
    call(make_fewshot, NYU, '--shots', 1, '--out', path)  # the same again
    with pytest.raises(DataError, match='few.txt exists and differs.*--out'):
        call(make_fewshot, NYU, '--shots', 2, '--out', path)
    assert path.read_bytes() == before


def test_rooms_of_a_manifest(prepared, monkeypatch, call, tmp_path):
    monkeypatch.setenv('NYU_ROOT', str(prepared))
    path = tmp_path / 'rooms.txt'
    out = call(make_fewshot, NYU, '--rooms', 3, '--seed', 2, '--out', path)
    dataset = NYUDepthDataset(prepared, subset=dict(rooms=3, seed=2))
    names = path.read_text().splitlines()[-3:]
    assert names == [dataset.get_data_info(i)['name'] for i in range(3)]
    assert f'digest {dataset.split_digest}' in out
    with pytest.raises(DataError, match='rooms=5 .* the 4 rooms'):
        call(make_fewshot, NYU, '--rooms', 5, '--out', path)


def test_hashes_of_a_manifest(prepared, monkeypatch, call, capsys):
    # A flipped bit in the scan of a JPEG: decoders accept it.
    path = prepared / 'images/train/study_00004.jpg'
    data = bytearray(path.read_bytes())
    data[-40] ^= 1
    path.write_bytes(data)
    with pytest.raises(SystemExit):
        call(check_data, '--folder', prepared)
    out = capsys.readouterr().out
    assert f'bad: {path}: picture is not the file that the manifest' in out
    (prepared / 'manifest.json').unlink()
    assert '0 bad' in call(check_data, '--folder', prepared)


def test_one_content_in_two_splits(root, call, capsys):
    first = root / 'images/train/study_00001.jpg'
    (root / 'images/test/cafe_00000.jpg').write_bytes(first.read_bytes())
    with pytest.raises(SystemExit):
        call(check_data, '--folder', root)
    assert 'cafe_00000.jpg: in test and in train' in capsys.readouterr().out


def test_benchmark(prepared, monkeypatch, call, tmp_path):
    monkeypatch.setenv('NYU_ROOT', str(prepared))
    path = tmp_path / 'out/figures.json'
    out = call(
        *(benchmark_data, NYU, '--num', 3, '--rounds', 1, '--workers', 0),
        *('--consumption', 1, 1e9, '--json', path),
    )
    figures = json.loads(path.read_text())
    rate = figures['pictures_per_s']
    needed = figures['workers_needed']
    assert needed['1.0'] == 1 and needed['1000000000.0'] * rate >= 1e9
    assert sum(figures['steps'].values()) == pytest.approx(1)
    assert list(figures['steps'])[:2] == ['1 LoadPicture', '2 LoadDepth']
    assert figures['cached_ratio'] > 0 and figures['hashing_ratio'] > 0
    assert figures['loaders'].keys() == {'0'}
    assert 'pictures a second take 1 processes' in out


def test_pictures_that_a_loader_drops_or_repeats():
    class Slow(Dataset):
        def __len__(self):
            return 5

        def __getitem__(self, place):
            time.sleep(2e-3)
            return dict(inputs=torch.zeros(1), data_samples=0)

    loader = dict(
        dataset=Slow(),
        batch_size=4,
        drop_last=True,
        sampler=dict(type='DefaultSampler', shuffle=False),
        collate_fn=dict(type='pseudo_collate'),
    )
    assert 0 < _loader_rate(loader, 0, 10) <= 500
    loader['sampler'] = dict(type='InfiniteSampler')
    assert 0 < _loader_rate(loader, 0, 10) <= 500


def test_a_data_set_of_others_has_no_steps(call):
    with pytest.raises(ConfigError, match='is a RepeatDataset, whose steps'):
        call(
            *(benchmark_data, ROOMS, '--cfg-options'),
            'train_dataloader.dataset._delete_=True',
            'train_dataloader.dataset.type=RepeatDataset',
            'train_dataloader.dataset.times=2',
            'train_dataloader.dataset.dataset.type=SyntheticRooms',
            'train_dataloader.dataset.dataset.num_rooms=2',
        )


def test_benchmark_of_data_without_files(call):
    out = call(
        *(benchmark_data, ROOMS, '--num', 1, '--rounds', 1),
        *('--cfg-options', 'train_dataloader.dataset.num_rooms=1'),
    )
    assert 'RandomHorizontalFlip' in out and 'hashing' not in out
    with pytest.raises(ConfigError, match='1 or more'):
        call(benchmark_data, ROOMS, '--num', 0)


def test_a_rate_that_no_step_has(call, capsys):
    with pytest.raises(SystemExit):
        call(benchmark_data, ROOMS, '--consumption', 5, 0)
    assert 'takes rates above 0' in capsys.readouterr().err


def test_draws_that_are_impossible(root, call):
    path = root / 'few.txt'
    with pytest.raises(DataError, match='shots=6.*kitchen, has 5'):
        call(make_fewshot, NYU, '--shots', 6, '--out', path)
    with pytest.raises(DataError, match='evenly_spaced=4 .*3 pictures'):
        call(make_fewshot, NYU, '--one-each-of', 4, '--out', path)
    with pytest.raises(ConfigError, match='SyntheticRooms takes no subset'):
        call(make_fewshot, ROOMS, '--shots', 1, '--out', path)
    assert not path.exists()


VAL = (
    '--cfg-options',
    'val_dataloader.dataset.subset.then.evenly_spaced=2',
)


def test_sound_data(root, call):
    manifest = root / 'out/manifest.json'
    out = call(check_data, NYU, '--manifest', manifest, *VAL)
    for line in ('train: 3 pictures, 0 bad', 'val: 2 ', 'test: 9 '):
        assert line in out
    content = json.loads(manifest.read_text())
    assert content['problems'] == [] and len(content['test']) == 9
    sample = content['test'][0]
    # A quarter is not measured; a third of the rest is at 1 m.
    assert (sample['near'], sample['far'], sample['median']) == (1, 3, 3)
    assert sample['valid'] == 0.75 and sample['problem'] is None
    for key in ('image', 'depth'):
        data = open(sample[key], 'rb').read()
        assert sample[f'{key}_sha256'] == hashlib.sha256(data).hexdigest()


def test_a_folder_of_png_pictures(root, call):
    (root / 'images/.hidden').mkdir()
    assert call(check_data, '--folder', root).count(', 0 bad') == 2
    for path in list((root / 'images/train').glob('*.jpg')):
        cv2.imwrite(str(path.with_suffix('.png')), cv2.imread(str(path)))
        path.unlink()
    assert call(check_data, '--folder', root).count(', 0 bad') == 2


def test_bad_files_are_all_reported(root):
    (root / 'images/test/cafe_00000.jpg').write_bytes(b'\xff\xd8cut')
    holes = root / 'annotations/test/study_00001.png'
    cv2.imwrite(str(holes), np.zeros((24, 32), np.uint16))
    done = run('tools/check_data.py', '--folder', root)
    assert done.returncode == 1, done.stderr[-2000:]
    assert 'test: 9 pictures, 2 bad' in done.stdout
    assert 'train: 9 pictures, 0 bad' in done.stdout
    for text in ('cafe_00000.jpg: picture is trunc', 'no pixel has a depth'):
        assert text in done.stdout
    assert '9/9' in done.stderr


def test_an_incomplete_split_is_decoded_all_the_same(root, call, capsys):
    lone = [root / f'annotations/train/{name}.png' for name in NAMES[:6]]
    for path in lone:
        path.unlink()
    gone, damaged = (root / f'images/train/{n}.jpg' for n in NAMES[6:8])
    gone.unlink()
    damaged.write_bytes(b'no picture')
    with pytest.raises(SystemExit) as info:
        call(check_data, '--folder', root)
    out = capsys.readouterr().out
    assert info.value.code == 1
    assert 'train: 9 pictures, 8 bad, depth 1 to 3 m' in out
    for path in lone:
        assert f'bad: {path}: depth map is missing\n' in out
    assert f'bad: {gone}: picture is missing\n' in out
    assert f'bad: {damaged}: picture cannot be decoded' in out
    assert 'test: 9 pictures, 0 bad' in out


def test_wrapped_data_are_decoded_once(root, call, tmp_path):
    (tmp_path / 'wrapped.py').write_text(f"""
_base_ = '{NYU}'
part = dict(
    type='NYUDepthDataset', data_root='{root}', split='train',
    pipeline={{{{_base_.train_pipeline}}}})
train_dataloader = dict(dataset=dict(_delete_=True, type='ConcatDataset',
    datasets=[
        dict(part, subset=dict(scenes='cafe')),
        dict(type='RepeatDataset', times=5,
             dataset=dict(part, subset=dict(scenes='study')))]))
val_dataloader = None
val_cfg = None
val_evaluator = None
""")
    path = tmp_path / 'checked.json'
    out = call(check_data, tmp_path / 'wrapped.py', '--manifest', path)
    assert 'train: 4 pictures, 0 bad' in out
    images = [item['image'] for item in json.loads(path.read_text())['train']]
    names = [n for n in NAMES if not n.startswith('kitchen')]
    assert images == [f'{root}/images/train/{name}.jpg' for name in names]


def test_train_and_val_that_overlap(root, call, capsys):
    with pytest.raises(SystemExit):
        call(
            check_data,
            NYU,
            '--cfg-options',
            'val_dataloader.dataset.subset.complement=False',
            'val_dataloader.dataset.subset.then.evenly_spaced=2',
        )
    out = capsys.readouterr().out
    assert out.count('in train and in val') == 2


def test_data_without_files(call):
    options = [f'{s}_dataloader.dataset.num_rooms=2' for s in ('train', 'val')]
    options.append('test_dataloader.dataset.num_rooms=2')
    out = call(check_data, ROOMS, '--cfg-options', *options)
    assert out.count('2 pictures, 0 bad') == 3


def test_sheet_shows_the_epoch(root, call):
    sheets = []
    for epoch in (0, 0, 1):
        path = root / f'sheets/{epoch}.png'
        call(
            browse_dataset,
            NYU,
            '--out',
            path,
            '--num',
            3,
            '--epoch',
            epoch,
        )
        sheets.append(cv2.imread(str(path)))
    assert (sheets[0] == sheets[1]).all()
    assert (sheets[0] != sheets[2]).any()


def test_cell_is_what_training_sees(root):
    cfg = launch.load_config(NYU)
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    dataset.set_epoch(0, 2)
    item = dataset[1]
    cell = browse_dataset.cell(item)
    for channel in range(3):  # BGR within the model's input
        np.testing.assert_array_equal(
            cell.image[..., channel], item['inputs'][2 - channel].numpy()
        )
    # 1 and 3 m, as near as the crop brings them.
    nothing, near, far = np.unique(cell.depth)
    assert nothing == 0 and 0.7 <= near < 1
    assert far == pytest.approx(3 * near)
    assert cell.caption.startswith('kitchen_')


def test_sheet_of_a_pipeline_without_depth(root, call):
    with pytest.raises(ConfigError, match='LoadDepth'):
        call(
            browse_dataset,
            NYU,
            '--out',
            root / 'a.png',
            '--cfg-options',
            'train_dataloader.dataset.pipeline=[]',
        )


@pytest.mark.parametrize(
    ('tool', 'arguments'),
    [
        (make_fewshot, ['--shots', 1, '--out']),
        (check_data, ['--manifest']),
        (browse_dataset, ['--num', 1, '--out']),
        (benchmark_data, ['--num', 2, '--rounds', 1, '--json']),
    ],
)
def test_an_output_below_a_file(call, root, tmp_path, tool, arguments):
    (tmp_path / 'file').write_text('mine')
    out = tmp_path / 'file/new/out.png'
    with pytest.raises(WriteError, match='file/new/out.png cannot be'):
        call(tool, NYU, *arguments, out)
    assert (tmp_path / 'file').read_text() == 'mine'
