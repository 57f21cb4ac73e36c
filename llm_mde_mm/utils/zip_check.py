"""Whether a torch file is the archive that torch wrote, byte for byte."""

import zipfile
from pathlib import Path

from llm_mde_mm.utils.errors import DamagedError


def check_archive(path: Path, contents: bool = True) -> None:
    """Compare each entry with its checksum; torch itself does not.

    torch stores its entries uncompressed, so an archive that would unpack to
    more than its own size is none of its making.

    Args:
        path (Path): A file that ``torch.save`` wrote.
        contents (bool): Compare; otherwise look at the table of entries only.

    Raises:
        DamagedError: If the file is truncated, altered or no such archive.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            unpacked = sum(entry.file_size for entry in entries)
            if (
                any(e.compress_type != zipfile.ZIP_STORED for e in entries)
                or len({e.filename for e in entries}) < len(entries)
                or unpacked > path.stat().st_size
            ):
                raise DamagedError(
                    f'{path} is not loaded: its entries are packed, doubled '
                    'or larger than the file, as torch.save leaves none'
                )
            damaged = archive.testzip() if contents else None
    except (
        zipfile.BadZipFile,
        OSError,
        EOFError,
        ValueError,
        NotImplementedError,
        RuntimeError,
    ) as error:
        if isinstance(error, DamagedError):
            raise
        raise DamagedError(
            f'{path} cannot be read as a checkpoint: it is truncated, or no '
            f'file of torch.save ({error})'
        ) from error
    if damaged:
        raise DamagedError(
            f'{path} is damaged: {damaged} does not match its checksum'
        )
