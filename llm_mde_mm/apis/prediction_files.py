"""Predicted depth, and the files that it is written to."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from llm_mde_mm.datasets.preparation.folders import folder_above, make_folder
from llm_mde_mm.utils.depth_io import (
    write_depth_npy,
    write_depth_png,
    write_picture,
)
from llm_mde_mm.utils.errors import ConfigError
from llm_mde_mm.visualization import colourise_depth

OUTPUTS = ('png', 'npy', 'colour')


class DepthPrediction(NamedTuple):
    """Depth of one picture.

    Attributes:
        name (str): Stem of the file, or the number of the array.
        depth (np.ndarray): ``(H, W)`` float32 in metres, at the picture's own
            size.
    """

    name: str
    depth: np.ndarray


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
        WriteError: If the folder cannot be made.
    """
    files = _output_files(prediction.name, Path(out_dir), outputs)
    make_folder(Path(out_dir))
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
        WriteError: If the folder is a file.
    """
    folder_above(Path(out_dir))
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
