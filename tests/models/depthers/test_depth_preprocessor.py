"""The data preprocessor against mmseg's own."""

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.models import SegDataPreProcessor
from mmseg.structures import SegDataSample

from llm_mde_mm.models.depthers import DepthPreprocessor

NAME = 'vit_tiny_patch16_224'
SAME = ((20, 30),) * 3
MIXED = ((20, 30), (24, 28))


def make_data(*sizes):
    inputs, samples = [], []
    for height, width in sizes:
        shape = (height, width)
        inputs.append(torch.randint(0, 256, (3, *shape), dtype=torch.uint8))
        samples.append(
            SegDataSample(
                gt_depth_map=PixelData(data=torch.rand(1, *shape)),
                metainfo=dict(img_shape=shape),
            )
        )
    return dict(inputs=inputs, data_samples=samples)


# mmseg tests on pictures of one size alone.
@pytest.mark.parametrize(
    ('training', 'sizes'), [(False, SAME), (True, SAME), (True, MIXED)]
)
def test_pictures_come_out_as_of_mmseg(training, sizes):
    ours = DepthPreprocessor(NAME, 'random', size=(24, 32))
    theirs = SegDataPreProcessor(
        mean=ours.mean.flatten().tolist(),
        std=ours.std.flatten().tolist(),
        size=(24, 32),
        pad_val=0,
        seg_pad_val=0,
        bgr_to_rgb=True,
    )
    data = make_data(*sizes)
    before = [picture.clone() for picture in data['inputs']]
    got, wanted = (
        part({**data}, training)['inputs'] for part in (ours, theirs)
    )
    assert torch.equal(got, wanted)
    assert all(map(torch.equal, data['inputs'], before))


def test_pictures_of_one_size_are_prepared_as_one(monkeypatch):
    # One by one, each would be waited for on its way to a GPU.
    model = DepthPreprocessor(NAME, 'random')
    shapes = []
    monkeypatch.setattr(
        model, '_normalise', lambda x: shapes.append(x.shape) or x.float()
    )
    model(make_data(*SAME))
    assert shapes == [(3, 3, 20, 30)]
