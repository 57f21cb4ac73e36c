"""Ablations of a trained model, beside what tools/test.py says of it."""

import json
import sys

import pytest

from tools import ablate
from tools import test as test_tool

test_tool.__test__ = False


@pytest.fixture
def scores_of(trained, tiny_config, tmp_path, monkeypatch):
    def call(tool, *options):
        out = tmp_path / f'{tool.__name__}.json'
        argv = ['tool', tiny_config, trained, '--work-dir', tmp_path / 'log']
        argv += ['--out', out, *options]
        monkeypatch.setattr(sys, 'argv', [str(a) for a in argv])
        tool.main()
        return json.loads(out.read_text())

    return call


def test_what_is_untouched_has_the_scores_of_the_test(scores_of, capsys):
    # Between two others: neither leaves anything behind.
    order = ['other_prompt', 'untouched', 'mean_patches', 'zero_prompt']
    # No picture is alone in its batch.
    batches = ('--cfg-options', 'test_dataloader.batch_size=3')
    reports = scores_of(ablate, '--ablations', *order, *batches)
    said = capsys.readouterr().out
    tested = scores_of(test_tool, *batches)
    assert list(reports) == order
    untouched = reports['untouched']
    assert untouched.pop('what') == 'the model as it is'
    assert set(tested.pop('splits')) == {'train', 'val', 'test'}
    assert untouched == tested
    others = [reports[name] for name in order if name != 'untouched']
    for report in others:
        assert report['pictures'] == tested['pictures'] == 5
        assert report['abs_rel'] != tested['abs_rel']
        assert report['constant_abs_rel'] == tested['constant_abs_rel']
        assert f'abs_rel {report["abs_rel"]:.4f}  {report["what"]}' in said
    assert reports['mean_patches']['training_pictures'] == 8


def test_pictures_one_by_one_have_no_other_prompt(scores_of):
    reports = scores_of(
        ablate, '--cfg-options', 'test_dataloader.batch_size=1'
    )
    assert list(reports) == ['untouched', 'mean_patches', 'zero_prompt']


def test_the_mean_needs_the_training_pictures(scores_of):
    with pytest.raises(ValueError, match='num_rooms=0'):
        scores_of(
            ablate, '--cfg-options', 'train_dataloader.dataset.num_rooms=0'
        )
