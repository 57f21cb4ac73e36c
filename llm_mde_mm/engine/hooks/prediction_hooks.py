"""What a test leaves behind: comparison sheets and depth files."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from llm_mde_mm.datasets.listing import (
    common_folder,
    picture_paths,
    stored_files,
)
from llm_mde_mm.datasets.preparation.folders import make_folder
from llm_mde_mm.utils.depth_io import write_depth_png
from llm_mde_mm.utils.errors import ConfigError
from llm_mde_mm.visualization import SheetRow, comparison_sheet


@HOOKS.register_module()
class ComparisonSheetHook(Hook):
    """Draw evenly spaced test pictures beside truth, prediction and error.

    With several processes the pictures are those of the first one.

    Args:
        out_dir (str): Folder of ``comparison.png``.
        num_pictures (int): Rows of the sheet.
        title (str): Heading of the sheet.
    """

    priority = 'LOW'

    def __init__(
        self, out_dir: str, num_pictures: int = 6, title: str = ''
    ) -> None:
        self.path = Path(out_dir) / 'comparison.png'
        self.num_pictures = num_pictures
        self.title = title
        self._rows: list[SheetRow] = []
        self._seen = 0

    def before_test_epoch(self, runner: Runner) -> None:
        """Forget the rows of an earlier test, and pick this one's.

        Raises:
            WriteError: If the folder cannot be made.
        """
        self._rows, self._seen = [], 0
        make_folder(self.path.parent)
        loader = runner.test_dataloader
        total = len(loader.sampler)
        count = min(self.num_pictures, total)
        self._chosen = {i * total // count for i in range(count)}

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Sequence | None = None,
    ) -> None:
        """Keep the chosen pictures of a batch."""
        if not is_main_process():
            return
        for picture, sample in zip(
            data_batch['inputs'], outputs or (), strict=True
        ):
            if self._seen in self._chosen and 'gt_depth_map' in sample:
                self._rows.append(_row(picture, sample))
            self._seen += 1

    def after_test_epoch(
        self, runner: Runner, metrics: dict | None = None
    ) -> None:
        """Write the sheet and name it."""
        if self._rows:
            comparison_sheet(self._rows, self.path, title=self.title or None)
            runner.logger.info(f'comparison sheet: {self.path}')


def _row(picture: Any, sample: Any) -> SheetRow:
    gt = sample.gt_depth_map.data[0].cpu().numpy()
    pred = sample.pred_depth_map.data[0].float().cpu().numpy()
    bgr = picture.permute(1, 2, 0).cpu().numpy()
    rgb = cv2.resize(bgr, gt.shape[::-1], interpolation=cv2.INTER_LINEAR)[
        ..., ::-1
    ]
    return SheetRow(
        np.ascontiguousarray(rgb),
        gt,
        pred,
        Path(sample.metainfo['img_path']).stem,
    )


@HOOKS.register_module()
class SavePredictionsHook(Hook):
    """Write each prediction as a uint16 PNG in millimetres.

    The file is named after its picture, ``<stem>.png``, at the picture's own
    size. Pictures of several folders keep their folders, below the one that
    all have in common.

    Args:
        out_dir (str): Folder of the files.
    """

    def __init__(self, out_dir: str) -> None:
        self.out_dir = Path(out_dir)
        self._root: Path | None = None

    def before_test_epoch(self, runner: Runner) -> None:
        """Make the folder.

        Raises:
            ConfigError: If two pictures differ in their suffix alone, or a
                prediction would be written over a file of the data set.
            WriteError: If the folder cannot be made.
        """
        dataset = runner.test_dataloader.dataset
        pictures = picture_paths(dataset)
        names = Counter(path.with_suffix('') for path in pictures)
        if twice := [name for name, count in names.items() if count > 1]:
            raise ConfigError(
                f'there are {names[twice[0]]} pictures {twice[0]}.*, whose '
                'predictions would have one name: rename them'
            )
        self._root = common_folder(dataset)
        own = {os.path.realpath(path) for path in stored_files(dataset)}
        for picture in pictures:
            file = self._file(picture)
            if os.path.realpath(file) in own:
                raise ConfigError(
                    f'the prediction of {picture} would be written over '
                    f'{file}, which is of the data set: give another folder'
                )
        make_folder(self.out_dir)

    def _file(self, picture: Path) -> Path:
        """Where a picture's prediction goes."""
        name = picture.relative_to(self._root or picture.parent)
        return self.out_dir / name.with_suffix('.png')

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Sequence | None = None,
    ) -> None:
        """Write the predictions of a batch."""
        for sample in outputs or ():
            write_depth_png(
                self._file(Path(os.path.abspath(sample.img_path))),
                sample.pred_depth_map.data[0].float().cpu().numpy(),
            )
