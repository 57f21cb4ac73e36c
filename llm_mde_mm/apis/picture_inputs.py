"""Pictures from files, folders and arrays, for a config's pipeline."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from mmengine.config import Config
from mmengine.dataset import Compose

from llm_mde_mm.datasets.transforms import LoadPicture
from llm_mde_mm.datasets.wrapped import inner_datasets
from llm_mde_mm.utils.errors import DataError

PICTURE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp')
READING_STEPS = ('LoadPicture', 'LoadDepth')
"""Steps of a pipeline that read files."""


def picture_files(path: str | Path) -> list[Path]:
    """The pictures that a path means.

    Args:
        path (str | Path): A file, or a folder (its own pictures by name,
            without hidden ones).

    Raises:
        DataError: If there is nothing there.
    """
    path = Path(path).expanduser()
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise DataError(f'there is no picture or folder {path}')
    files = sorted(
        p
        for p in path.iterdir()
        if p.suffix.lower() in PICTURE_SUFFIXES and p.name[0] != '.'
    )
    if not files:
        raise DataError(
            f'{path} holds no picture ({", ".join(PICTURE_SUFFIXES)})'
        )
    return files


def picture_items(
    inputs: str | Path | np.ndarray | Sequence,
) -> Iterator[tuple[str, dict]]:
    """Name and item, as a pipeline takes it, of each picture.

    Args:
        inputs (str | Path | np.ndarray | Sequence): A file, a folder, an
            array or several of these.

    Raises:
        DataError: If one of them is something else, see also the others.
    """
    several: Iterable = (
        [inputs] if isinstance(inputs, str | Path | np.ndarray) else inputs
    )
    for number, item in enumerate(several):
        if isinstance(item, np.ndarray):
            yield str(number), array_item(item, number)
        elif not isinstance(item, str | Path):
            raise DataError(
                f'input {number} is a {type(item).__name__}: give files, '
                'folders or NumPy arrays'
            )
        else:
            for file in picture_files(item):
                yield file.stem, file_item(file)


def file_item(path: Path) -> dict:
    """A picture file as a pipeline takes it, read already.

    Raises:
        DataError: If it is no picture.
    """
    return LoadPicture()(dict(img_path=str(path), seg_fields=[]))


def array_item(array: np.ndarray, number: int) -> dict:
    """An ``(H, W, 3)`` uint8 BGR array as a pipeline takes it.

    Raises:
        DataError: If it has another shape or dtype.
    """
    shaped = array.ndim == 3 and array.shape[2] == 3 and array.size
    if not shaped or array.dtype != np.uint8:
        raise DataError(
            f'array {number} is {array.shape} {array.dtype}: give (H, W, 3) '
            'uint8, channels B, G, R as OpenCV reads them'
        )
    return dict(
        img=array.copy(),
        img_path=f'array {number}',
        img_shape=array.shape[:2],
        ori_shape=array.shape[:2],
        seg_fields=[],
    )


def test_steps(cfg: Config) -> list[dict]:
    """A config's test pipeline, for pictures that are read already."""
    pipeline = inner_datasets(cfg.test_dataloader.dataset)[0]['pipeline']
    steps = [s for s in pipeline if s['type'] not in READING_STEPS]
    if not any(step['type'] == 'ResizePicture' for step in steps):
        # Data that is rendered at the model's size needs no such step.
        size = cfg.model.backbone.vision.img_size
        steps = [dict(type='ResizePicture', size=size), *steps]
    return steps


def picture_pipeline(cfg: Config) -> Compose:
    """Build :func:`test_steps`."""
    return Compose(test_steps(cfg))
