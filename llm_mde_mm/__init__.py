"""LLM-MDE (arXiv 2409.01133) for the OpenMMLab depth stack.

Importing the package registers everything in mmseg's registries.
"""

# First of all, because MMEngine, MMCV and mmseg import OpenCV themselves and
# then fail with a message that names a library and not its mending.
from .utils.opencv import check_opencv

check_opencv()

from . import apis, datasets, engine, evaluation, models  # noqa: E402
from .version import __version__  # noqa: E402

__all__ = ['__version__', 'apis', 'datasets', 'engine', 'evaluation', 'models']
