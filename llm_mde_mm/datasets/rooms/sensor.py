"""What a camera and a depth camera add: exposure, noise, holes, steps."""

import numpy as np

# Shift between the depth camera's projector and its lens, metres.
_BASELINE = 0.075
# Mean brightness is measured in steps of 1 / 4096.
_STEPS = 4096


def develop(radiance: list[np.ndarray], exposure: float) -> np.ndarray:
    """Expose and filter radiance into a picture.

    Args:
        radiance: Red, green and blue on the ray grid, (2 h + 1, 2 w + 1).
        exposure: Mean brightness to aim for, linear.

    Returns:
        np.ndarray: (h, w, 3) float32 in [0, 255], channels B, G, R.
    """
    green = radiance[1][::4, ::4]
    # A sum of integers is the same in any order, so on any machine.
    level = int((np.minimum(green, 8) * _STEPS).astype(np.int64).sum())
    gain = np.float32(exposure * _STEPS * green.size / max(level, 1))
    planes = []
    for plane in reversed(radiance):
        plane = plane * gain
        # Highlights are compressed instead of cut.
        plane = plane * (1 + plane * np.float32(0.3)) / (1 + plane)
        rows = plane[:-1:2] + 2 * plane[1::2] + plane[2::2]
        plane = rows[:, :-1:2] + 2 * rows[:, 1::2] + rows[:, 2::2]
        planes.append(np.sqrt(np.minimum(plane * np.float32(1.6 / 16), 1)))
    return np.stack(planes, -1) * np.float32(255)


def add_noise(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add the image sensor's noise, more in dark places.

    Args:
        image: (h, w, 3) float32 in [0, 255].
        rng: Source of the noise.
    """
    strength = np.float32(rng.uniform(1.0, 3.5))
    noise = rng.standard_normal(image.shape, np.float32)
    noise *= strength * (np.float32(1.3) - image * np.float32(1 / 255))
    return image + noise


def to_bytes(image: np.ndarray) -> np.ndarray:
    """Round to uint8."""
    return np.clip(image + np.float32(0.5), 0, 255).astype(np.uint8)


def measure_depth(
    depth: np.ndarray,
    emission: np.ndarray,
    focal: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Imitate a structured-light depth camera.

    Noise grows with the square of the distance (Nguyen et al., 3DIM 2012).
    There is no measurement where a nearer surface hides the point from the
    projector, on some shining surfaces, in blobs and beyond the range.

    Args:
        depth: True depth, (h, w) metres.
        emission: Light of the surfaces' own, (h, w).
        focal: Focal length in pixels.
        rng: Source of the noise.

    Returns:
        np.ndarray: (h, w) float32 metres in whole millimetres; 0 where
        there is no measurement.
    """
    height, width = depth.shape
    beyond = np.maximum(depth - np.float32(0.4), 0)
    sigma = np.float32(0.0012) + np.float32(0.0019) * beyond * beyond
    noise = rng.standard_normal(depth.shape, np.float32)
    measured = depth + np.clip(noise, -3, 3) * sigma

    seen_at = (
        np.arange(width, dtype=np.float32)
        - np.float32(focal * _BASELINE) / depth
    )
    nearest = np.minimum.accumulate(seen_at[:, ::-1], axis=1)[:, ::-1]
    ragged = rng.random(depth.shape, np.float32) * np.float32(0.8)
    hole = seen_at > nearest + np.float32(0.2) + ragged
    blobs = _field(rng, height, width, max(height // 12, 2))
    blobs += np.float32(0.12) * (ragged - np.float32(0.4))
    hole |= blobs > rng.uniform(0.84, 1.0)
    if rng.random() < 0.5:
        hole |= (emission > 0) & (blobs > 0.4)
    limit = np.float32(rng.uniform(7.0, 10.0))
    hole |= depth > limit - ragged

    steps = np.floor(measured * np.float32(1000) + np.float32(0.5))
    # The extremes of a depth camera's reading, 0.201 m to 9.999 m.
    steps = np.clip(steps, 201, 9999)
    steps[hole] = 0
    return steps / np.float32(1000)


def _field(
    rng: np.random.Generator, height: int, width: int, cell: int
) -> np.ndarray:
    """Smooth random field in [0, 1] with features of ``cell`` pixels."""
    coarse = rng.random((height // cell + 2, width // cell + 2), np.float32)
    for length in (height, width):
        at = np.arange(length, dtype=np.float32) / np.float32(cell)
        low = at.astype(np.intp)
        share = (at - low.astype(np.float32))[:, None]
        coarse = (coarse[low] * (1 - share) + coarse[low + 1] * share).T
    return coarse
