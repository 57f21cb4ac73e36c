"""Scores of saved predictions, beside those of tools/test.py."""

import json
import sys

import numpy as np
import pytest
from mmseg.registry import DATASETS

from llm_mde_mm.apis import DepthInferencer, launch
from llm_mde_mm.evaluation import MonocularDepthMetric
from llm_mde_mm.evaluation.functional import SCORES
from llm_mde_mm.evaluation.saved import pair_saved, read_saved
from llm_mde_mm.utils.depth_io import write_depth_npy, write_depth_png
from llm_mde_mm.utils.errors import ConfigError, DataError
from tests.tools.conftest import ROOT, run
from tools import eval_depth

KEYS = {*SCORES, 'pictures', 'skipped', 'protocol'}


@pytest.fixture
def call(monkeypatch, tmp_path):
    """Run the tool in this process; return what it wrote."""

    def run_main(*arguments):
        out = tmp_path / 'folder/scores.json'
        argv = ['eval_depth.py', *map(str, arguments), '--out', str(out)]
        monkeypatch.setattr(sys, 'argv', argv)
        eval_depth.main()
        return json.loads(out.read_text())

    return run_main


@pytest.fixture
def folders(tmp_path):
    """Predictions and ground truth, one of them without a measurement."""
    draw = np.random.default_rng(0)
    for kind in ('pred', 'gt'):
        (tmp_path / kind).mkdir()
    for index in range(4):
        gt = draw.uniform(0.5, 9, (24, 32)) * (index != 2)
        pred = gt * draw.lognormal(0, 0.3, gt.shape) + 0.4
        write_depth_png(tmp_path / f'gt/{index}.png', gt)
        write_depth_png(tmp_path / f'pred/{index}.png', pred)
    return tmp_path / 'pred', tmp_path / 'gt'


@pytest.fixture(scope='module')
def tested(trained, tiny_config, tmp_path_factory):
    """Scores and predictions that tools/test.py wrote, flip-averaged."""
    folder = tmp_path_factory.mktemp('test')
    done = run(
        'tools/test.py',
        tiny_config,
        trained,
        '--work-dir',
        folder,
        '--out',
        folder / 'metrics.json',
        '--save-predictions',
        folder / 'predictions',
        '--flip-tta',
    )
    assert done.returncode == 0, done.stderr[-3000:]
    cfg = launch.load_config(str(tiny_config))
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    (folder / 'gt').mkdir()
    for index in range(len(dataset)):
        sample = dataset[index]['data_samples']
        name = sample.metainfo['img_path'].replace('.jpg', '.png')
        depth = sample.gt_depth_map.data[0].numpy()
        write_depth_png(folder / 'gt' / name, depth)
    return folder


def test_saved_predictions_score_as_they_did_in_the_test(tested, call):
    want = json.loads((tested / 'metrics.json').read_text())
    got = call(
        tested / 'predictions',
        tested / 'gt',
        *('--protocol', 'nyu', '--constant-baseline'),
        *('--alignment', 'none', 'median', 'affine'),
    )
    assert KEYS < want.keys()
    # Only tools/test.py knows how the predictions came about.
    assert want.pop('splits')['test']['pictures'] == got['pictures']
    assert want['protocol_settings'].pop('flip_tta') is True
    assert got['protocol_settings'].pop('flip_tta') is False
    assert want.pop('protocol').startswith('nyu: each prediction averaged')
    assert got.pop('protocol').startswith('nyu: ground truth from')
    assert got.keys() == want.keys()
    for name, value in want.items():
        if isinstance(value, dict | int):
            assert got[name] == value
        else:
            # Half a millimetre, or a pixel over a threshold.
            assert got[name] == pytest.approx(value, rel=2e-3), name


def test_flip_averaging_changes_the_predictions_of_the_test(
    tested, trained, tiny_config
):
    """The same as the inferencer's, which is given the picture alone."""
    cfg = launch.load_config(str(tiny_config))
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    item = dataset.get_data_info(0)
    stem = item['img_path'].removesuffix('.jpg')
    pair = pair_saved(tested / 'predictions', tested / 'gt')
    pair = next(p for p in pair if p.name == stem)
    saved = read_saved(pair)['pred_depth_map']['data'][0].numpy()
    depths = [
        DepthInferencer(str(tiny_config), trained, 'cpu', flip_tta=flip)(
            item['img']
        )[0].depth
        for flip in (True, False)
    ]
    np.testing.assert_allclose(saved, depths[0], atol=6e-4)
    assert np.abs(saved - depths[1]).max() > 2e-3


def test_flip_averaging_needs_a_model_that_has_it(tiny_config):
    cfg = launch.load_config(str(tiny_config))
    cfg.model.type = 'DepthEstimator'
    with pytest.raises(ConfigError, match="'DepthEstimator' has none"):
        launch.use_flip_tta(cfg)


@pytest.mark.parametrize(
    ('arguments', 'changes'),
    [
        ((), dict()),
        (
            ('--protocol', 'midas', '--average', 'pooled'),
            dict(protocol='midas', average='pooled'),
        ),
        (('--protocol', 'reference_code'), dict(protocol='reference_code')),
        (
            ('--crop', 'none', '--max-depth', '5', '--no-clamp'),
            dict(crop=None, max_depth=5.0, clamp=False),
        ),
    ],
)
def test_the_scores_are_those_of_the_metric(folders, call, arguments, changes):
    got = call(*folders, *arguments)
    assert KEYS < got.keys()
    assert (got['pictures'], got['skipped']) == (3, 1)
    metric = MonocularDepthMetric(**changes)
    samples = [read_saved(pair) for pair in pair_saved(*folders)]
    metric.process(None, samples)
    metric.evaluate(len(samples))
    assert got == metric.report()


def test_disparity_of_another_system(folders, call):
    pred, gt = folders
    want = call(pred, gt, '--protocol', 'midas')
    for index in range(4):
        file = pred / f'{index}.png'
        depth = read_saved(pair_saved(pred, gt)[index])['pred_depth_map']
        file.unlink()
        disparity = 40 + 5000 / depth['data'][0].double().numpy()
        write_depth_npy(pred / f'{index}.npy', disparity)
    got = call(pred, gt, '--protocol', 'midas', '--predictions', 'disparity')
    assert got['abs_rel'] == pytest.approx(want['abs_rel'], rel=1e-5)
    with pytest.raises(ConfigError, match="alignment='disparity'"):
        call(pred, gt, '--predictions', 'disparity')


def test_mistakes_write_nothing(folders, call, tmp_path):
    pred, gt = folders
    with pytest.raises(ConfigError, match="no protocol 'kitti'.*'midas'"):
        call(pred, gt, '--protocol', 'kitti')
    (pred / '3.png').rename(pred / '4.png')
    with pytest.raises(DataError, match='4 predictions.*without a pred.*: 3'):
        call(pred, gt)
    (pred / '4.png').rename(pred / '3.png')
    write_depth_png(pred / '3.png', np.ones((5, 6)))
    with pytest.raises(DataError, match=r'3\.png is 5 x 6.*24 x 32'):
        call(pred, gt)
    assert not (tmp_path / 'folder').exists()


def test_a_mistake_ends_with_one_line(folders, tmp_path):
    pred, _ = folders
    done = run('tools/eval_depth.py', pred, tmp_path / 'nowhere')
    assert done.returncode == 1
    assert 'Traceback' not in done.stderr
    assert done.stderr.splitlines()[-1].startswith('DataError: there is no fo')


def test_the_pages_commands_are_those_of_the_tools(monkeypatch):
    text = (ROOT / 'docs/evaluation.md').read_text().replace('\\\n', ' ')
    commands = [
        line.split()[2:]
        for line in text.splitlines()
        if line.startswith('python tools/eval_depth.py')
    ]
    assert len(commands) >= 3
    for arguments in commands:
        monkeypatch.setattr(sys, 'argv', ['eval_depth.py', *arguments])
        args = eval_depth.parse_args()
        changes = eval_depth.protocol_changes(args)
        MonocularDepthMetric(args.protocol, **changes)
