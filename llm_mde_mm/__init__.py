"""LLM-MDE (arXiv 2409.01133) for the OpenMMLab depth stack.

Importing the package registers everything in mmseg's registries.
"""

import contextlib
import io
import warnings

# First of all, because MMEngine, MMCV and mmseg import OpenCV themselves and
# then fail with a message that names a library and not its mending.
from .utils.opencv import check_opencv

check_opencv()

from .utils.seeding import seeded  # noqa: E402

# mmseg remarks on optional parts, none of them used here, by print and by
# warning, and rich, which MMEngine imports, draws a random number.
with (
    seeded(0),
    warnings.catch_warnings(),
    contextlib.redirect_stdout(io.StringIO()),
):
    warnings.filterwarnings('ignore', message='Fail to import')
    import mmseg.datasets  # noqa: F401
    import mmseg.models  # noqa: F401

from . import apis, datasets, engine, evaluation, models  # noqa: E402
from .version import __version__  # noqa: E402

__all__ = [
    '__version__',
    'apis',
    'datasets',
    'engine',
    'evaluation',
    'models',
]
