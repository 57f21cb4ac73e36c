"""Depth of pictures, in three lines of Python."""

import copy
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmseg.registry import MODELS

from llm_mde_mm.datasets.transforms import LoadPicture
from llm_mde_mm.models.adapters import merge_adapters
from llm_mde_mm.utils.checkpoint import find_checkpoint, load_model
from llm_mde_mm.utils.depth_io import (
    write_depth_npy,
    write_depth_png,
    write_picture,
)
from llm_mde_mm.utils.errors import ConfigError, DataError, WeightsError
from llm_mde_mm.visualization import colourise_depth

from .launch import load_config, use_flip_tta

PICTURE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp')
OUTPUTS = ('png', 'npy', 'colour')
DTYPES = dict(fp32=torch.float32, bf16=torch.bfloat16, fp16=torch.float16)
# Steps of a test pipeline that read files: pictures are read here instead.
_READING_STEPS = ('LoadPicture', 'LoadDepth')


class DepthPrediction(NamedTuple):
    """Depth of one picture.

    Attributes:
        name (str): Stem of the file, or the number of the array.
        depth (np.ndarray): ``(H, W)`` float32 in metres, at the picture's own
            size.
    """

    name: str
    depth: np.ndarray


class DepthInferencer:
    """Predict depth from files, folders or arrays.

    Args:
        config (str | Path | Config): A config file of this package.
        checkpoint (str | Path): A checkpoint, or a run's folder.
        device (str | None): Such as 'cuda:0' or 'cpu'; by default a GPU if
            there is one.
        dtype (str): 'fp32', 'bf16' or 'fp16': what the weights are cast to,
            once. Depth is float32 in any case.
        flip_tta (bool): Average each prediction with that of the mirrored
            picture, in twice the time.

    Raises:
        ConfigError: If there is no such config, device or dtype.
        WeightsError: If the checkpoint is missing, damaged or another
            config's.
    """

    def __init__(
        self,
        config: str | Path | Config,
        checkpoint: str | Path,
        device: str | None = None,
        dtype: str = 'fp32',
        flip_tta: bool = False,
    ) -> None:
        if dtype not in DTYPES:
            raise ConfigError(
                f'dtype is {dtype!r}; it is one of ' + ', '.join(DTYPES)
            )
        named = isinstance(config, str | Path)
        cfg: Any = load_config(str(config)) if named else config
        if flip_tta:
            cfg = copy.deepcopy(cfg)
            use_flip_tta(cfg)
        weights = find_checkpoint(checkpoint)
        self.device = _device(device)
        self.model = MODELS.build(cfg.model)
        load_model(self.model, weights, cfg)
        try:
            merge_adapters(self.model)
        except ValueError as error:
            raise WeightsError(
                f'{weights}: its adapters hold what is no number'
            ) from error
        self.model.to(self.device, DTYPES[dtype]).eval()
        self.pipeline = picture_pipeline(cfg)

    def __call__(
        self,
        inputs: str | Path | np.ndarray | Sequence,
        batch_size: int = 1,
    ) -> list[DepthPrediction]:
        """Predict all inputs.

        Args:
            inputs (str | Path | np.ndarray | Sequence): A picture file, a
                folder of pictures, an ``(H, W, 3)`` uint8 BGR array, or
                several of these.
            batch_size (int): Pictures a forward pass.

        Returns:
            list[DepthPrediction]: In the order of the inputs; a folder's by
            name.

        Raises:
            ConfigError: If the batch size is not positive.
            DataError: If a file is missing or no picture, or an array has
                another shape or dtype.
        """
        return list(self.iterate(inputs, batch_size))

    def iterate(
        self,
        inputs: str | Path | np.ndarray | Sequence,
        batch_size: int = 1,
    ) -> Iterator[DepthPrediction]:
        """The same, one picture after the other, for many of them."""
        if batch_size < 1:
            raise ConfigError(f'batch_size must be 1 or more: {batch_size}')
        batch: list[tuple[str, dict]] = []
        for name, item in _items(inputs):
            batch.append((name, self.pipeline(item)))
            if len(batch) == batch_size:
                yield from self._predict(batch)
                batch = []
        if batch:
            yield from self._predict(batch)

    @torch.inference_mode()
    def _predict(
        self, batch: list[tuple[str, dict]]
    ) -> Iterator[DepthPrediction]:
        samples = self.model.test_step(
            pseudo_collate([packed for _, packed in batch])
        )
        for (name, _), sample in zip(batch, samples, strict=True):
            depth = sample.pred_depth_map.data[0].float().cpu().numpy()
            yield DepthPrediction(name, depth)


def _device(name: str | None) -> torch.device:
    device = name or ('cuda' if torch.cuda.is_available() else 'cpu')
    try:
        # A meta tensor has no values.
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f'device is {name!r}: {reason}') from error
    return torch.device(device)


def save_prediction(
    prediction: DepthPrediction,
    out_dir: str | Path,
    outputs: Sequence[str] = OUTPUTS,
    max_depth: float = 10.0,
) -> list[Path]:
    """Write a prediction in one or several forms.

    Args:
        prediction (DepthPrediction): From :class:`DepthInferencer`.
        out_dir (str | Path): Folder; it is made if need be.
        outputs (Sequence[str]): Of 'png' (``<name>.png``, uint16
            millimetres), 'npy' (``<name>.npy``, float32 metres) and 'colour'
            (``<name>_colour.png``).
        max_depth (float): End of the colour scale in metres.

    Returns:
        list[Path]: The files.

    Raises:
        ConfigError: If a form does not exist.
    """
    files = _output_files(prediction.name, Path(out_dir), outputs)
    Path(out_dir).mkdir(parents=True, exist_ok=True)
    if 'png' in files:
        write_depth_png(files['png'], prediction.depth)
    if 'npy' in files:
        write_depth_npy(files['npy'], prediction.depth)
    if 'colour' in files:
        rgb = colourise_depth(prediction.depth, 0.0, max_depth)
        write_picture(files['colour'], rgb[..., ::-1])
    return list(files.values())


def _output_files(
    name: str, folder: Path, outputs: Sequence[str]
) -> dict[str, Path]:
    unknown = set(outputs) - set(OUTPUTS)
    if unknown:
        raise ConfigError(f'outputs {sorted(unknown)}: there are {OUTPUTS}')
    ends = dict(png='.png', npy='.npy', colour='_colour.png')
    return {
        form: folder / f'{name}{end}'
        for form, end in ends.items()
        if form in outputs
    }


def check_outputs(
    files: Sequence[Path], out_dir: str | Path, outputs: Sequence[str]
) -> None:
    """Check that no prediction will take another file's place.

    Args:
        files (Sequence[Path]): The pictures.
        out_dir (str | Path): As of :func:`save_prediction`.
        outputs (Sequence[str]): As of :func:`save_prediction`.

    Raises:
        ConfigError: If the folder is that of a picture, a file would be
            written over one, or two predictions into one file.
    """
    pictures = {path.resolve() for path in files}
    owners: dict[Path, Path] = {}
    for picture in files:
        if picture.parent.resolve() == Path(out_dir).resolve():
            raise ConfigError(
                f'--out-dir {out_dir} is the folder of {picture}, where depth '
                'may be written over what lies beside it: give another'
            )
        named = _output_files(picture.stem, Path(out_dir).resolve(), outputs)
        for path in named.values():
            if path in pictures:
                raise ConfigError(
                    f'the depth of {picture} would be written over the '
                    f'picture {path}: give --out-dir another folder'
                )
            other = owners.setdefault(path, picture)
            if other != picture:
                raise ConfigError(
                    f'{other} and {picture} would both be written to {path}: '
                    'rename one of them'
                )


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


def _items(inputs) -> Iterator[tuple[str, dict]]:
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


def picture_pipeline(cfg: Config) -> Compose:
    """The test pipeline of a config, for pictures that are read already."""
    pipeline = cfg.test_dataloader.dataset.pipeline
    steps = [s for s in pipeline if s['type'] not in _READING_STEPS]
    if not any(step['type'] == 'ResizePicture' for step in steps):
        # Data that is rendered at the model's size needs no such step.
        size = cfg.model.backbone.vision.img_size
        steps = [dict(type='ResizePicture', size=size), *steps]
    return Compose(steps)
