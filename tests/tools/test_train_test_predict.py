"""What a user types, from training to pictures."""

import json
import re
import shutil

import cv2
import numpy as np
import pytest
import torch

from llm_mde_mm.apis import DepthInferencer
from llm_mde_mm.datasets import SyntheticRooms
from llm_mde_mm.datasets.rooms import render_room
from llm_mde_mm.datasets.splits import split_digest
from llm_mde_mm.utils.errors import ConfigError, DataError
from tests.tools.conftest import ROOT, run

SCORES = {
    'abs_rel',
    'sq_rel',
    'rmse',
    'rmse_log',
    'log10',
    'silog',
    'd1',
    'd2',
    'd3',
}


@pytest.fixture(scope='module')
def tested(trained, tiny_config, tmp_path_factory):
    folder = tmp_path_factory.mktemp('test')
    done = run(
        'tools/test.py',
        tiny_config,
        trained,
        '--work-dir',
        folder,
        '--out',
        folder / 'metrics.json',
        '--show-dir',
        folder / 'show',
        '--save-predictions',
        folder / 'predictions',
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder, done.stdout + done.stderr


def test_training_shows_its_progress(trained):
    console = (trained / 'console').read_text()
    assert re.search(r'epoch 2/2 .*step 4/4, loss=\d.*lr=\d', console)
    assert 'parameters' in console
    assert 'System environment' not in console
    log = next(trained.glob('*/*.log')).read_text()
    assert 'System environment' in log and 'Config:' in log


def test_training_keeps_the_best_checkpoint(trained):
    best = list(trained.glob('best_loss_epoch_*.pth'))
    assert len(best) == 1


def test_scores_are_written(tested):
    folder, console = tested
    scores = json.loads((folder / 'metrics.json').read_text())
    assert SCORES < scores.keys()
    assert scores['pictures'] == 5 and scores['skipped'] == 0
    splits = scores['splits']
    assert [splits[s]['pictures'] for s in ('train', 'val', 'test')] == [
        8,
        4,
        5,
    ]
    # Rooms 200,000 to 200,004 of the quickstart's test data.
    rooms = SyntheticRooms(num_rooms=5, first_index=200_000, seed=0)
    assert splits['test']['digest'] == split_digest(
        f'room 0 {rooms.get_data_info(i)["img_path"]}' for i in range(5)
    )
    assert all(np.isfinite(scores[name]) for name in SCORES)
    assert scores['constant_abs_rel'] > 0
    assert 'best constant' in console
    assert str(folder / 'show' / 'comparison.png') in console


def test_sheet_and_predictions_are_written(tested):
    folder, _ = tested
    sheet = cv2.imread(str(folder / 'show' / 'comparison.png'))
    assert sheet.std() > 10
    files = sorted((folder / 'predictions').iterdir())
    assert len(files) == 5
    depth = cv2.imread(str(files[0]), cv2.IMREAD_UNCHANGED)
    assert depth.dtype == np.uint16 and depth.shape == (96, 128)
    assert 0 < depth.min() and depth.max() <= 10_000


def test_predict_writes_three_forms(trained, tiny_config, tmp_path):
    pictures = tmp_path / 'pictures'
    pictures.mkdir()
    for index in range(2):
        room = render_room(0, index, size=(60, 80))
        cv2.imwrite(str(pictures / f'room{index}.png'), room.image)
    done = run(
        'tools/predict.py',
        tiny_config,
        trained,
        pictures,
        '--out-dir',
        tmp_path / 'out',
    )
    assert done.returncode == 0, done.stderr[-3000:]
    names = sorted(p.name for p in (tmp_path / 'out').iterdir())
    assert names == [
        f'room{i}{end}'
        for i in range(2)
        for end in ('.npy', '.png', '_colour.png')
    ]
    metres = np.load(tmp_path / 'out' / 'room1.npy')
    stored = cv2.imread(str(tmp_path / 'out' / 'room1.png'), -1)
    assert metres.shape == (60, 80) and metres.dtype == np.float32
    np.testing.assert_array_equal(stored, np.rint(metres.astype(float) * 1000))


def test_inferencer_takes_files_folders_and_arrays(
    trained, tiny_config, tmp_path
):
    with torch.inference_mode():
        infer = DepthInferencer(str(tiny_config), trained, 'cpu')
    picture = render_room(0, 3, size=(60, 80)).image
    cv2.imwrite(str(tmp_path / 'room.png'), picture)
    from_file = infer(tmp_path / 'room.png')[0]
    both = infer([picture, str(tmp_path)], batch_size=2)
    assert from_file.name == 'room'
    assert [p.name for p in both] == ['0', 'room']
    for prediction in both:
        np.testing.assert_allclose(
            prediction.depth, from_file.depth, rtol=1e-5
        )
    with pytest.raises(DataError, match='uint8'):
        infer(picture.astype(np.float32))
    with pytest.raises(DataError, match='nowhere'):
        infer(tmp_path / 'nowhere')


@pytest.mark.parametrize('dtype', ['bf16', 'fp16'])
def test_half_precision_moves_depth_by_a_percent(trained, tiny_config, dtype):
    picture = render_room(0, 3, size=(60, 80)).image
    want = DepthInferencer(str(tiny_config), trained, 'cpu')(picture)[0].depth
    infer = DepthInferencer(str(tiny_config), trained, 'cpu', dtype)
    got = infer(picture)[0].depth
    assert got.dtype == np.float32
    assert 0 < np.median(np.abs(got / want - 1)) < 0.01
    with pytest.raises(ConfigError, match="dtype is 'int8'.*bf16"):
        DepthInferencer(str(tiny_config), trained, 'cpu', 'int8')


def test_benchmark_writes_its_figures(tiny_config, tmp_path, run_here):
    size = ('--input-size', '48', '64', '--batch-size', '2', '--repeats', '1')
    path = tmp_path / 'figures.json'
    shown = run_here(
        'tools/benchmark.py', tiny_config, *size, '--floor', '--json', path
    )
    figures = json.loads(path.read_text())
    assert figures['floor_ratio'] > 0
    assert f'{figures["params"]:,.4g}' in shown
    assert 'backbone.language' in shown


def test_benchmark_gives_json_alone_and_the_error_of_a_dtype(
    tiny_config, trained, tmp_path
):
    picture = render_room(0, 3, size=(60, 80)).image
    cv2.imwrite(str(tmp_path / 'room.png'), picture)
    size = ('--input-size', '60', '80', '--batch-size', '2', '--repeats', '1')
    what = ('--pictures', tmp_path, '--checkpoint', trained)
    done = run(
        *('tools/benchmark.py', tiny_config, *size, *what),
        *('--dtype', 'bf16', '--json'),
    )
    assert done.returncode == 0, done.stderr[-3000:]
    got = json.loads(done.stdout)['dtype_difference']
    exact, low = (
        DepthInferencer(str(tiny_config), trained, dtype=dtype)(
            [picture, picture], batch_size=2
        )[0].depth
        for dtype in ('fp32', 'bf16')
    )
    want = np.median(np.abs(low / exact - 1))
    assert got == pytest.approx(want, rel=1e-3) and 0 < got < 0.01


def test_benchmark_of_a_model_without_language(run_here, monkeypatch):
    """And without its weights: random ones of the size are timed."""
    monkeypatch.setenv('VIT_WEIGHTS', 'nowhere/model.safetensors')
    monkeypatch.chdir(ROOT)
    tiny = 'model_name=vit_tiny_patch16_224'
    size = ('--input-size', '60', '80', '--batch-size', '1', '--repeats', '1')
    shown = run_here(
        *('tools/benchmark.py', 'configs/tables/controls/5_no_language.py'),
        *(*size, '--floor', '--json', '--cfg-options'),
        *(
            f'model.{part}.{tiny}'
            for part in ('backbone.vision', 'data_preprocessor')
        ),
    )
    figures = json.loads(shown)
    assert figures['floor_ratio'] > 0
    assert not any('language' in part for part in figures['parts'])


def test_resume_goes_on_where_the_run_ended(trained, tiny_config, tmp_path):
    folder = shutil.copytree(trained, tmp_path / 'run')
    done = run(
        'tools/train.py',
        tiny_config,
        '--work-dir',
        folder,
        '--resume',
        '--cfg-options',
        'train_cfg.max_epochs=3',
    )
    console = done.stdout + done.stderr
    assert done.returncode == 0, console[-3000:]
    assert 'resumed epoch: 2, iter: 4' in console
    assert (folder / 'epoch_3.pth').is_file()


def test_amp_trains_and_keeps_float32_weights(tiny_config, tmp_path):
    done = run(
        'tools/train.py',
        tiny_config,
        '--work-dir',
        tmp_path,
        '--amp',
        '--cfg-options',
        'train_cfg.max_epochs=1',
        'train_dataloader.dataset.num_rooms=4',
    )
    assert done.returncode == 0, done.stderr[-3000:]
    config = next(tmp_path.glob('*.py')).read_text()
    assert 'BF16OptimWrapper' in config
    state = torch.load(tmp_path / 'epoch_1.pth', weights_only=False)
    kinds = {
        t.dtype for t in state['state_dict'].values() if t.is_floating_point()
    }
    assert kinds == {torch.float32}


def test_a_mistake_ends_with_one_line(tiny_config, tmp_path):
    done = run(
        'tools/train.py',
        'configs/llm_mde_nyu_fewshot.py',
        '--work-dir',
        tmp_path,
        NYU_ROOT=str(tmp_path / 'nowhere'),
    )
    assert done.returncode == 1
    assert 'Traceback' not in done.stderr
    assert 'NYU_ROOT' in done.stderr and 'nowhere' in done.stderr
    assert not list(tmp_path.iterdir())
