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
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
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
from llm_mde_mm.evaluation.alignment import ALIGNMENTS
from llm_mde_mm.evaluation.constant_baseline import constant_scores
from llm_mde_mm.evaluation.functional import SCORES
from llm_mde_mm.utils.errors import ConfigError, DataError

CLAMP = (1e-3, 10.0)


examples = settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def _run(samples, **kwargs):
    if kwargs.get('protocol') != 'reference_code':
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


@pytest.mark.parametrize(
    ('size', 'crop', 'far'),
    [((480, 640), 'nyu_eigen', 10.0), ((37, 53), None, 6.0)],
)
def test_agrees_with_mmseg_where_its_metric_is_right(
    make_case, make_sample, size, crop, far
):
    """Positive predictions within the range, the crop at 480x640 alone."""
    samples = []
    for seed in range(3):
        pred, gt = make_case(seed, *size)
        samples.append(make_sample(pred.clamp(max=far), gt, f'{seed}.jpg'))
    theirs = DepthMetric(
        min_depth_eval=1e-3,
        max_depth_eval=far,
        crop_type=crop and 'nyu_crop',
    )
    theirs.process(None, samples)
    want = theirs.evaluate(len(samples))
    _, got = _run(samples, crop=crop, max_depth=far)
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
    assert warnings[0].endswith('averages: empty.jpg, empty.jpg')


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
        baseline.add(constant_scores(gt, eval_mask(gt), baseline.constants))
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
    row, column = eval_mask(gt, crop='nyu_eigen').nonzero()[0]
    for value in ('nan', 'inf'):
        broken = pred.clone()
        broken[row, column] = float(value)
        with pytest.raises(NonFinitePredictionError, match=r'c\.jpg'):
            metric.process(None, [make_sample(broken, gt, 'c.jpg')])


@pytest.mark.parametrize('value', ['nan', 'inf', '-inf'])
@pytest.mark.parametrize('alignment', ALIGNMENTS)
def test_pixels_that_are_not_scored_never_matter(
    make_case, make_sample, alignment, value
):
    pred, gt = make_case(0)
    broken = pred.clone()
    broken[~eval_mask(gt, crop='nyu_eigen')] = float(value)
    want, got = (
        _run(
            [make_sample(p, gt)],
            alignment=alignment,
            crop='nyu_eigen',
            clamp=False,
        )[1]
        for p in (pred, broken)
    )
    assert got == want
    # All pixels count there.
    with pytest.raises(NonFinitePredictionError):
        _run([make_sample(broken, gt)], protocol='reference_code')


@pytest.mark.parametrize(
    'kwargs',
    [
        dict(average='pooled', constant_baseline=True),
        dict(protocol='reference_code', constant_baseline=True),
        dict(bootstrap=-1),
        dict(crop='eigen'),
        dict(alignment='mean'),
        dict(alignment=()),
        dict(alignment=('none', 'none')),
        dict(min_depth=0.0),
        dict(min_depth=5.0, max_depth=5.0),
    ],
)
def test_wrong_arguments_are_refused(kwargs):
    with pytest.raises(ConfigError):
        MonocularDepthMetric(**kwargs)


def test_pooled_scores_are_those_of_all_pixels_as_one_picture(
    samples, load_beside
):
    reference = load_beside('reference')
    metric, got = _run(samples, average='pooled', alignment=('none', 'affine'))
    for mode in ('none', 'affine'):
        pixels = []
        for sample in samples:
            pred, gt = (
                sample[k]['data'][0]
                for k in ('pred_depth_map', 'gt_depth_map')
            )
            mask = reference.mask(gt, *CLAMP, None)
            fitted = reference.aligned(pred, gt, mask, mode)
            pixels.append((np.clip(fitted, *CLAMP)[mask], gt.numpy()[mask]))
        p, g = (np.concatenate(x) for x in zip(*pixels, strict=True))
        want = reference.scores(p, g, np.ones(len(p), bool))
        suffix = '' if mode == 'none' else f'_{mode}'
        for name in SCORES:
            assert abs(got[name + suffix] - want[name]) < 1e-9, name
    assert 'pooled over the pixels' in metric.report()['protocol']


def test_the_reference_codes_numbers(samples, load_beside, log):
    reference = load_beside('reference')
    metric, got = _run(samples, protocol='reference_code')
    each = [
        reference.min_max_deltas(
            s['pred_depth_map']['data'][0], s['gt_depth_map']['data'][0]
        )
        for s in samples
    ]
    want = dict(zip(('d1', 'd2', 'd3'), np.mean(each, 0), strict=True))
    assert got == pytest.approx({**want, 'pictures': 5, 'skipped': 0})
    report = metric.report()
    assert [report[name] for name in SCORES[:6]] == [None] * 6
    assert report['abs_rel_ci95'] is None and report['d1_ci95'][0] <= got['d1']
    assert report['protocol_settings']['crop'] is None
    assert 'minimum and maximum' in report['protocol']
    cells = log[0][1].splitlines()[4].split('|')[2:8]
    assert [cell.strip() for cell in cells] == ['-'] * 6


def test_midas_scores_disparity_of_any_scale(make_case, make_sample):
    pred, gt = make_case(3)
    _, want = _run([make_sample(pred, gt)], protocol='midas')
    _, got = _run(
        [make_sample(900 / pred.double() + 55, gt)],
        protocol='midas',
        predictions='disparity',
    )
    assert got == pytest.approx(want, rel=1e-6)
    _, same = _run([make_sample(pred, gt)], alignment='disparity')
    assert same == want


def test_the_report_holds_all_that_a_file_of_scores_needs(samples, log):
    metric, got = _run(samples, alignment=('none', 'median'), prefix='nyu')
    report = metric.report()
    assert {k: report[k] for k in got} == got
    json.dumps(report, allow_nan=False)
    assert report['nyu/protocol'] in log[0][1]
    settings = report['nyu/protocol_settings']
    assert settings['name'] == 'nyu' and settings['max_depth'] == 10.0
    assert settings['alignment'] == ['none', 'median']
    assert settings['flip_tta'] is False
    assert settings['bootstrap_resamples'] == 1000
    for name in ('abs_rel', 'd1_median'):
        low, high = report[f'nyu/{name}_ci95']
        assert low < report[f'nyu/{name}'] < high
    with pytest.raises(RuntimeError, match='nothing was evaluated'):
        MonocularDepthMetric().report()


def test_the_order_of_the_pictures_changes_nothing(samples):
    first, _ = _run(samples)
    moved = [
        dict(samples[i], img_path=f'elsewhere/{i}.png')
        for i in (3, 0, 4, 1, 2)
    ]
    second, _ = _run(moved)
    assert first.report() == second.report()
    assert second.per_picture[0]['img_path'] == 'elsewhere/3.png'


def test_flip_averaged_predictions_are_said_to_be(samples):
    flipped = [dict(sample, flip_tta=True) for sample in samples]
    metric, got = _run(flipped)
    assert got == _run(samples)[1]
    report = metric.report()
    assert 'averaged with that of the mirrored picture' in report['protocol']
    assert report['protocol_settings']['flip_tta'] is True


def test_no_interval_of_one_picture_or_without_resamples(samples, log):
    for kwargs in (dict(bootstrap=0), dict()):
        some = samples if kwargs else samples[:1]
        metric, _ = _run(some, **kwargs)
        report = metric.report()
        assert not [key for key in report if key.endswith('_ci95')]
        assert report['protocol_settings']['bootstrap_resamples'] == 0
        assert '95 %' not in log[-1][1]


def test_predictions_that_are_not_clamped(make_sample):
    gt = torch.tensor([[1.0, 8.0]])
    _, got = _run([make_sample(torch.tensor([[1.0, 40.0]]), gt)], clamp=False)
    assert got['abs_rel'] == pytest.approx(2.0)
    bad = make_sample(torch.tensor([[0.0, 8.0]]), gt, 'zero.jpg')
    with pytest.raises(DataError, match=r'zero\.jpg.*not positive.*clamp'):
        _run([bad], clamp=False)


PROTOCOL_KEYS = [
    dict(alignment=ALIGNMENTS, constant_baseline=True),
    dict(alignment=ALIGNMENTS, average='pooled'),
    dict(protocol='midas', predictions='disparity'),
    dict(protocol='reference_code'),
]


@pytest.mark.parametrize('kwargs', PROTOCOL_KEYS)
@pytest.mark.parametrize('dtype', [torch.float16, torch.float32])
def test_every_score_of_any_input_is_finite(
    make_case, make_sample, kwargs, dtype
):
    """Perfect, constant, zero, one pixel, no pixel; in half precision too."""
    pred, gt = make_case(0, 9, 11)
    one = torch.zeros_like(gt)
    one[4, 5] = 2.5
    cases = [
        (gt, gt),
        (pred, gt),
        (torch.full_like(gt, 3.0), gt),
        (torch.zeros_like(gt), gt),
        (10 - gt, gt),
        (pred, one),
        (pred, torch.full_like(gt, 2.0)),
        (pred[:1, :1], gt[:1, :1].clamp(min=1)),
        (pred, torch.zeros_like(gt)),
    ]
    samples = [make_sample(p.to(dtype), g) for p, g in cases]
    metric, got = _run(samples, **dict(kwargs, bootstrap=20))
    assert (got['pictures'], got['skipped']) == (8, 1)
    assert all(np.isfinite(value) for value in got.values())
    json.dumps(metric.report(), allow_nan=False)
    perfect = metric.per_picture[0]['scores']
    assert perfect['d1'] == 1 or kwargs.get('predictions') == 'disparity'


@examples
@given(seed=st.integers(0, 9999), kwargs=st.sampled_from(PROTOCOL_KEYS))
def test_thresholds_are_nested(make_case, make_sample, seed, kwargs):
    pictures = [make_sample(*make_case(seed + i, 7, 9 + i)) for i in (0, 1)]
    metric, got = _run(pictures, **dict(kwargs, bootstrap=20))
    for key in got:
        if key.startswith('d1'):
            d2, d3 = (key.replace('d1', name) for name in ('d2', 'd3'))
            assert 0 <= got[key] <= got[d2] <= got[d3] <= 1
            low, high = metric.report()[f'{key}_ci95']
            assert 0 <= low <= high <= 1


def test_two_and_three_processes_with_an_uneven_end_equal_one(
    make_case, tmp_path, load_beside
):
    pictures = [
        tuple(x[None] for x in make_case(seed, 12 + seed, 16))
        for seed in range(7)
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
        for rank in range(3)
    ]
    try:
        one = worker.work(pictures)
        for process in processes:
            _, errors = process.communicate(timeout=200)
            assert process.returncode == 0, errors
    finally:
        for process in processes:
            process.kill()
    # Eight and nine places for seven pictures: one and two are padding.
    shares = {2: [4, 4], 3: [3, 3, 3]}
    for size, share in shares.items():
        several = [
            json.loads((tmp_path / f'{size}_{rank}.json').read_text())
            for rank in range(size)
        ]
        assert [result[0] for result in several] == share
        assert all(result[1] == one[1] for result in several)
        assert several[0][2:] == one[2:]
    assert one[1][0]['skipped'] == 1 and one[1][0]['pictures'] == 6
    assert one[2][1]['pooled/rmse_ci95'][0] < one[1][1]['pooled/rmse']
    assert one[3] == [str(i) for i in range(7)]
