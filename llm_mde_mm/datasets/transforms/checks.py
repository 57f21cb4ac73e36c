"""What several transforms ask of their arguments and their input."""

from mmcv.transforms import BaseTransform

from llm_mde_mm.utils.errors import ConfigError


def check_prob(step: BaseTransform, prob: float) -> float:
    """Return a probability, or say that it is none."""
    if not 0 <= prob <= 1:
        raise ConfigError(
            f'{type(step).__name__}: prob must lie in 0 to 1, got {prob}'
        )
    return prob


def check_pair(step: BaseTransform, results: dict) -> None:
    """Raise unless picture and depth are of one size."""
    if 'gt_depth_map' in results and (
        results['gt_depth_map'].shape != results['img'].shape[:2]
    ):
        raise ConfigError(
            f'{type(step).__name__} needs picture and depth of one size: put '
            'it before ResizePicture, or use ResizePair'
        )
