from .nyu_depth import NYUDepthDataset
from .rooms import SCENE_TYPES
from .seeded import SeededDataset, SeededSampler
from .synthetic_rooms import SyntheticRooms
from .transforms import (
    ColourJitter,
    LoadDepth,
    LoadPicture,
    RandomCropPair,
    RandomHorizontalFlip,
    ResizePair,
    ResizePicture,
)

__all__ = [
    'SCENE_TYPES',
    'ColourJitter',
    'LoadDepth',
    'LoadPicture',
    'NYUDepthDataset',
    'RandomCropPair',
    'RandomHorizontalFlip',
    'ResizePair',
    'ResizePicture',
    'SeededDataset',
    'SeededSampler',
    'SyntheticRooms',
]
