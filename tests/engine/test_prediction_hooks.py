import os
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.dataset import BaseDataset
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from llm_mde_mm.engine import SavePredictionsHook
from llm_mde_mm.evaluation.saved import pair_saved, read_saved
from llm_mde_mm.utils.depth_io import write_depth_png
from llm_mde_mm.utils.errors import ConfigError


class Listed(BaseDataset):
    """Pictures of given names; to open one is an error."""

    def __init__(self, paths):
        self.paths = paths
        super().__init__()

    def load_data_list(self):
        return [dict(img_path=path) for path in self.paths]

    def get_data_info(self, idx):
        raise AssertionError('a picture was opened')


@pytest.mark.parametrize(
    ('paths', 'files'),
    [
        (['d/test/a.jpg', 'd/test/b.jpg'], ['a.png', 'b.png']),
        (['d/x/0.color.png'], ['0.color.png']),
        (['d/x/0.jpg', 'd/y/0.jpg'], ['x/0.png', 'y/0.png']),
        (['cafe_0.jpg', 'study_1.jpg'], ['cafe_0.png', 'study_1.png']),
        (['x/0.jpg', os.path.abspath('y/0.jpg')], ['x/0.png', 'y/0.png']),
    ],
)
def test_predictions_are_named_after_their_pictures(tmp_path, paths, files):
    """None is written over another, and all pair with their ground truth."""
    hook = SavePredictionsHook(str(tmp_path / 'pred'))
    loader = SimpleNamespace(dataset=Listed(paths))
    hook.before_test_epoch(SimpleNamespace(test_dataloader=loader))
    for number, path in enumerate(paths):
        depth = torch.full((1, 4, 5), 1.5 + number)
        sample = SegDataSample(
            pred_depth_map=PixelData(data=depth),
            metainfo=dict(img_path=path),
        )
        hook.after_test_iter(None, number, outputs=[sample])
    for file in files:
        target = tmp_path / 'gt' / file
        target.parent.mkdir(parents=True, exist_ok=True)
        write_depth_png(target, depth[0].numpy())
    pairs = pair_saved(tmp_path / 'pred', tmp_path / 'gt')
    assert [pair.name + '.png' for pair in pairs] == files
    for number, pair in enumerate(pairs):
        pred = read_saved(pair)['pred_depth_map']['data']
        assert (pred == 1.5 + number).all()


def test_predictions_that_would_have_one_name(tmp_path):
    hook = SavePredictionsHook(str(tmp_path / 'pred'))
    loader = SimpleNamespace(dataset=Listed(['d/a.jpg', 'd/a.png']))
    with pytest.raises(ConfigError, match=r'2 pictures .*/d/a\.\*'):
        hook.before_test_epoch(SimpleNamespace(test_dataloader=loader))


@pytest.mark.parametrize('kind', ['img_path', 'depth_map_path'])
def test_predictions_over_files_of_the_data_set(tmp_path, kind):
    write_depth_png(tmp_path / 'd/a.png', np.ones((2, 2)))
    item = dict(img_path=f'{tmp_path}/pictures/a.jpg')
    item[kind] = str(tmp_path / 'd/a.png')
    dataset = Listed([item['img_path']])
    dataset.load_data_list = lambda: [item]
    (tmp_path / 'link').symlink_to(tmp_path / 'd')
    dataset._fully_initialized = False
    dataset.full_init()
    loader = SimpleNamespace(dataset=dataset)
    hook = SavePredictionsHook(str(tmp_path / 'link'))
    with pytest.raises(ConfigError, match='a.png, which is of the data set'):
        hook.before_test_epoch(SimpleNamespace(test_dataloader=loader))


def test_pictures_of_an_unknown_data_set_keep_their_stems(tmp_path):
    hook = SavePredictionsHook(str(tmp_path))
    loader = SimpleNamespace(dataset=[0])
    hook.before_test_epoch(SimpleNamespace(test_dataloader=loader))
    sample = SegDataSample(
        pred_depth_map=PixelData(data=torch.ones(1, 2, 2)),
        metainfo=dict(img_path='d/a.jpg'),
    )
    hook.after_test_iter(None, 0, outputs=[sample])
    assert [path.name for path in tmp_path.iterdir()] == ['a.png']
