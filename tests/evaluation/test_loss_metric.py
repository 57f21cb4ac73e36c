import pickle

import pytest
from mmseg.registry import METRICS

from llm_mde_mm.evaluation import ValidationLoss
from llm_mde_mm.utils.errors import DataError


def _run(samples):
    metric = METRICS.build(dict(type='ValidationLoss'))
    metric.process(None, samples)
    return metric.evaluate(len(samples))


def test_terms_are_averaged_over_pictures_and_summed():
    result = _run(
        [
            dict(val_loss=dict(loss_ssi=1.0, loss_silog=0.5)),
            dict(val_loss=None),
            dict(val_loss=dict(loss_ssi=3.0, loss_silog=1.5)),
            dict(),
        ]
    )
    assert result == dict(loss=3.0, loss_ssi=2.0, loss_silog=1.0)


def test_no_loss_at_all_says_why():
    with pytest.raises(DataError, match='measurement.*LLMDepthEstimator'):
        _run([dict(val_loss=None), dict()])


@pytest.mark.parametrize('name', ['loss', 'ssi'])
def test_names_that_would_be_mistaken_are_refused(name):
    with pytest.raises(ValueError, match=repr(name)):
        _run([dict(val_loss={name: 1.0})])


def test_pickling_keeps_the_results():
    metric = ValidationLoss()
    metric.process(None, [dict(val_loss=dict(loss_ssi=2.0))])
    assert pickle.loads(pickle.dumps(metric)).evaluate(1)['loss'] == 2.0
