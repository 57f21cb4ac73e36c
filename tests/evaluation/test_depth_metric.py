import json
import logging
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.structures import PixelData
from mmseg.evaluation import DepthMetric
from mmseg.registry import METRICS
from mmseg.structures import SegDataSample

from llm_mde_mm.evaluation import (
    ConstantBaseline,
    MonocularDepthMetric,
    NonFinitePredictionError,
    align,
    depth_scores,
    eval_mask,
)
from llm_mde_mm.evaluation.functional import SCORES
from llm_mde_mm.utils.errors import ConfigError, DataError

CLAMP = (1e-3, 10.0)


def _run(samples, **kwargs):
    kwargs.setdefault('crop', None)
    metric = MonocularDepthMetric(**kwargs)
    metric.process(None, samples)
    return metric, metric.evaluate(len(samples))


@pytest.fixture
def samples(make_case, make_sample):
    return [
        make_sample(*make_case(seed, 30, 40 + seed), f'{seed}.jpg')
        for seed in range(5)
    ]


@pytest.fixture
def log(monkeypatch):
    """What the metric logs, as pairs of level and text."""
    lines = []

    def record(message, logger=None, level=logging.INFO):
        assert logger == 'current'
        lines.append((level, message))

    monkeypatch.setattr('llm_mde_mm.evaluation.depth_metric.print_log', record)
    return lines


def test_agrees_with_mmseg_where_its_metric_is_right(make_case, make_sample):
    samples = [
        make_sample(*make_case(seed, 480, 640), f'{seed}.jpg')
        for seed in range(2)
    ]
    theirs = DepthMetric(
        min_depth_eval=1e-3, max_depth_eval=10.0, crop_type='nyu_crop'
    )
    theirs.process(None, samples)
    want = theirs.evaluate(len(samples))
    _, got = _run(samples, crop='nyu_eigen')
    for name in set(SCORES) - {'silog'}:
        assert got[name] == pytest.approx(want[name], rel=1e-5), name


def test_averages_over_pictures_under_every_alignment(samples):
    modes = ('none', 'median', 'affine')
    metric, got = _run(samples, alignment=modes)
    for mode in modes:
        each = []
        for sample in samples:
            pred, gt = (
                sample[k]['data'][0]
                for k in ('pred_depth_map', 'gt_depth_map')
            )
            mask = eval_mask(gt)
            fitted = align(pred, gt, mask, mode)
            each.append(depth_scores(fitted, gt, mask, CLAMP))
        suffix = '' if mode == 'none' else f'_{mode}'
        for name in SCORES:
            want = np.mean([scores[name] for scores in each])
            assert got[name + suffix] == pytest.approx(want, abs=1e-12)
            assert [
                p['scores'][name + suffix] for p in metric.per_picture
            ] == [scores[name] for scores in each]
    assert (got['pictures'], got['skipped']) == (5, 0)
    assert [p['img_path'] for p in metric.per_picture] == [
        f'{i}.jpg' for i in range(5)
    ]
    json.dumps(metric.per_picture)


def test_the_first_alignment_has_plain_names(samples):
    _, median = _run(samples, alignment='median')
    _, both = _run(samples, alignment=['median', 'none'])
    assert both['abs_rel'] == median['abs_rel'] != both['abs_rel_none']


def test_predictions_are_clamped_after_the_alignment(make_sample):
    gt = torch.tensor([[1.0, 8.0]])
    _, got = _run([make_sample(torch.tensor([[0.0, 400.0]]), gt)])
    assert got['abs_rel'] == pytest.approx((0.999 + 0.25) / 2)
    # The median of 10 and 80 is 45: aligned, the picture is perfect, and
    # would not be had 80 been clamped to 10 before.
    _, got = _run([make_sample(10 * gt, gt)], alignment='median')
    assert got['abs_rel'] == pytest.approx(0.0, abs=1e-12)


def test_an_empty_picture_is_counted_and_left_out(samples, make_sample, log):
    _, want = _run(samples)
    empty = make_sample(torch.ones(6, 6), torch.zeros(6, 6), 'empty.jpg')
    log.clear()
    metric, got = _run([samples[0], empty, *samples[1:], empty])
    assert got.pop('skipped') == 2
    want.pop('skipped')
    assert got == want
    assert metric.per_picture[1] == dict(
        img_path='empty.jpg', pixels=0, scores=None
    )
    warnings = [text for level, text in log if level == logging.WARNING]
    assert len(warnings) == 1 and warnings[0].startswith('2 of 7 pictures')


def test_only_empty_pictures_are_an_error(make_sample):
    empty = make_sample(torch.ones(6, 6), torch.full((6, 6), 2000.0))
    with pytest.raises(DataError, match='none of 2 pictures.*10 m.*unit'):
        _run([empty, empty])


def test_the_table_names_protocol_alignments_and_constant(samples, log):
    _, got = _run(
        samples, alignment=('none', 'median'), constant_baseline=True
    )
    (level, text), *others = log
    assert level == logging.INFO and not others
    sentence, *table = text.splitlines()
    for words in (
        '5 pictures',
        'Protocol nyu with another crop:',
        '0.001 to 10 m',
        'no crop',
        'no alignment (beside it: median)',
        'averages over pictures',
        '1000 bootstrap resamples',
        'Lower is better',
    ):
        assert words in sentence
    rows = [
        [cell.strip() for cell in line.strip('|').split('|')]
        for line in table
        if line.startswith('|')
    ]
    assert [name.split()[0] for name in rows[0][1:]] == list(SCORES)
    assert [row[0] for row in rows[1:]] == [
        'alignment: none',
        '95 % from',
        '95 % to',
        'alignment: median',
        '95 % from',
        '95 % to',
        f'best constant ({got["constant_depth"]:.2f} m)',
    ]
    assert rows[1][1] == f'{got["abs_rel"]:.4f}'
    assert float(rows[2][1]) < got['abs_rel'] < float(rows[3][1])
    assert rows[4][9] == f'{got["d3_median"]:.4f}'
    assert rows[7][1] == f'{got["constant_abs_rel"]:.4f}'
    assert text.isascii()


def test_the_constant_is_that_of_the_baseline(samples):
    _, got = _run(samples, constant_baseline=True)
    baseline = ConstantBaseline()
    for sample in samples:
        gt = sample['gt_depth_map']['data'][0]
        baseline.update(gt, eval_mask(gt))
    depth, scores = baseline.compute()
    assert got['constant_depth'] == pytest.approx(depth)
    assert got['constant_abs_rel'] == pytest.approx(scores['abs_rel'])


def test_what_is_kept_does_not_grow_with_the_picture(make_case, make_sample):
    sizes = []
    for height in (20, 400):
        metric = MonocularDepthMetric(crop=None, constant_baseline=True)
        metric.process(None, [make_sample(*make_case(0, height, 300))])
        sizes.append(len(pickle.dumps(metric.results)))
    assert abs(sizes[0] - sizes[1]) < 64


def test_works_in_an_evaluator_on_data_samples(samples):
    elements = []
    for sample in samples:
        element = SegDataSample(metainfo=dict(img_path=sample['img_path']))
        for key in ('pred_depth_map', 'gt_depth_map'):
            element.set_data({key: PixelData(data=sample[key]['data'])})
        elements.append(element)
    evaluator = Evaluator(
        METRICS.build(
            dict(type='MonocularDepthMetric', crop=None, prefix='nyu')
        )
    )
    evaluator.process(elements)
    got = evaluator.evaluate(5)
    _, want = _run(samples)
    assert got == {f'nyu/{k}': v for k, v in want.items()}
    # Elements that were not turned into dicts serve as well.
    metric = MonocularDepthMetric(crop=None)
    metric.process(
        None,
        [
            dict(
                pred_depth_map=e.pred_depth_map,
                gt_depth_map=e.gt_depth_map,
            )
            for e in elements
        ],
    )
    assert metric.evaluate(5) == want


def test_pickling_keeps_the_results(samples):
    metric = MonocularDepthMetric(crop=None, constant_baseline=True)
    metric.process(None, samples)
    copy = pickle.loads(pickle.dumps(metric))
    assert copy.evaluate(5) == metric.evaluate(5)


def test_a_bad_prediction_is_named(make_case, make_sample):
    pred, gt = make_case(0)
    metric = MonocularDepthMetric()
    with pytest.raises(ValueError, match=r'b\.jpg.*own size'):
        metric.process(None, [make_sample(pred[:, 1:], gt, 'b.jpg')])
    for value in ('nan', 'inf'):
        broken = pred.clone()
        broken[3, 4] = float(value)
        with pytest.raises(NonFinitePredictionError, match=r'c\.jpg'):
            metric.process(None, [make_sample(broken, gt, 'c.jpg')])


@pytest.mark.parametrize(
    'kwargs',
    [
        dict(crop='eigen'),
        dict(alignment='mean'),
        dict(alignment=()),
        dict(alignment=('none', 'none')),
        dict(min_depth=0.0),
        dict(min_depth=5.0, max_depth=5.0),
    ],
)
def test_wrong_arguments_are_refused(kwargs):
    with pytest.raises(ValueError):
        MonocularDepthMetric(**kwargs)


def test_two_processes_with_an_uneven_end_equal_one(
    make_case, tmp_path, load_beside
):
    pictures = [
        tuple(x[None] for x in make_case(seed, 12, 16)) for seed in range(5)
    ]
    pictures[2] = (pictures[2][0], 0 * pictures[2][1])
    torch.save(pictures, tmp_path / 'pictures.pt')
    worker = load_beside('gloo_worker')
    here = dict(PYTHONPATH=str(Path(__file__).parents[2]), OMP_NUM_THREADS='1')
    processes = [
        subprocess.Popen(
            [sys.executable, worker.__file__, str(rank), str(tmp_path)],
            # MMEngine gathers through a folder in the working directory.
            cwd=tmp_path,
            env=os.environ | here,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    try:
        one = worker.work(pictures)
        for process in processes:
            _, errors = process.communicate(timeout=60)
            assert process.returncode == 0, errors
    finally:
        for process in processes:
            process.kill()
    first, second = (
        json.loads((tmp_path / f'{rank}.json').read_text()) for rank in (0, 1)
    )
    # Six places for five pictures: one is padding.
    assert (one[0], first[0], second[0]) == (5, 3, 3)
    assert first[1] == second[1] == one[1]
    assert one[1][0]['skipped'] == 1 and one[1][0]['pictures'] == 4
    assert first[2] == one[2] == ['0', '1', '2', '3', '4']
