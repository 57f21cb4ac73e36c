from .depth_folder import DepthFolderDataset
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
    RandomRotatePair,
    RandomZoomOutPair,
    ResizePair,
    ResizePicture,
    VerticalCutDepth,
)

__all__ = [
    'SCENE_TYPES',
    'ColourJitter',
    'DepthFolderDataset',
    'LoadDepth',
    'LoadPicture',
    'NYUDepthDataset',
    'RandomCropPair',
    'RandomHorizontalFlip',
    'RandomRotatePair',
    'RandomZoomOutPair',
    'ResizePair',
    'ResizePicture',
    'SeededDataset',
    'SeededSampler',
    'SyntheticRooms',
    'VerticalCutDepth',
]
