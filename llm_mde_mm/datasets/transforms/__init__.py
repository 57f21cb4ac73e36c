"""Pipeline steps for a picture and its metric depth map."""

from llm_mde_mm.datasets.transforms.augmentation import (
    RandomRotatePair,
    VerticalCutDepth,
)
from llm_mde_mm.datasets.transforms.colour import ColourJitter
from llm_mde_mm.datasets.transforms.geometry import (
    RandomHorizontalFlip,
    ResizePair,
    ResizePicture,
)
from llm_mde_mm.datasets.transforms.loading import LoadDepth, LoadPicture
from llm_mde_mm.datasets.transforms.zooming import (
    RandomCropPair,
    RandomZoomOutPair,
)

__all__ = [
    'ColourJitter',
    'LoadDepth',
    'LoadPicture',
    'RandomCropPair',
    'RandomHorizontalFlip',
    'RandomRotatePair',
    'RandomZoomOutPair',
    'ResizePair',
    'ResizePicture',
    'VerticalCutDepth',
]
