import math

import numpy as np
import pytest
import torch

from llm_mde_mm.models.prompts import picture_statistics


def random_picture(seed, height, width):
    """uint8 RGB whose luma is never half-way between two grey levels."""
    rng = np.random.default_rng(seed)
    low, high = np.sort(rng.integers(0, 256, 2))
    picture = rng.integers(low, high + 1, (height, width, 3))
    # A slope, so that the bands differ.
    picture += np.linspace(0, 20, height)[:, None, None].astype(int)
    picture = picture.clip(0, 255)
    tie = (picture @ [299, 587, 114]) % 1000 == 500
    picture[tie] = picture[tie][:, :1]
    return picture


def grey_of(picture):
    """ITU-R BT.601 in whole thousandths."""
    return (picture @ [299, 587, 114] + 500) // 1000


def percent(level):
    return math.floor(level * 100 / 255 + 0.5)


def numpy_statistics(picture):
    grey = grey_of(picture)
    ordered = np.sort(grey.ravel())
    values = dict(
        minimum=percent(ordered[0]),
        maximum=percent(ordered[-1]),
        median=percent(ordered[(len(ordered) - 1) // 2]),
        distance=int(np.bincount(ordered, minlength=256).argmax() * 7 / 256),
    )
    for name, axis in (('row', 0), ('column', 1)):
        lines = np.moveaxis(grey, axis, 0)
        size = len(lines)
        means = {}
        for band in range(10):
            inside = [
                line for i, line in enumerate(lines) if i * 10 // size == band
            ]
            if inside:
                means[band] = np.mean(inside)
        values[f'bright_{name}'] = 10 * max(means, key=means.get) + 5
        values[f'dark_{name}'] = 10 * min(means, key=means.get) + 5
    return values


def as_input(*pictures):
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float()


def as_rows(statistics):
    assert all(v.dtype == torch.int64 for v in statistics.values())
    columns = {name: v.tolist() for name, v in statistics.items()}
    return [
        dict(zip(columns, row, strict=True))
        for row in zip(*columns.values(), strict=True)
    ]


@pytest.mark.parametrize('size', [(32, 48), (37, 53), (7, 4), (1, 1)])
def test_agrees_with_numpy(size):
    pictures = [random_picture(seed, *size) for seed in range(12)]
    got = as_rows(picture_statistics(as_input(*pictures)))
    assert got == [numpy_statistics(p) for p in pictures]


def test_padding_and_batch_mates_do_not_matter():
    small, large = random_picture(0, 20, 31), random_picture(1, 32, 48)
    padded = np.full_like(large, 255)
    padded[5:25, 9:40] = small
    valid = torch.ones(2, 32, 48, dtype=torch.bool)
    valid[0] = False
    valid[0, 5:25, 9:40] = True
    got = as_rows(picture_statistics(as_input(padded, large), valid))
    assert got == [numpy_statistics(small), numpy_statistics(large)]


def test_a_picture_by_hand():
    picture = np.full((20, 30, 3), 128)
    picture[2:4] = 255  # rows 10 to 20 percent
    picture[:, 27:] = 0  # columns 90 to 100 percent
    (got,) = as_rows(picture_statistics(as_input(picture)))
    assert got == dict(
        minimum=0,
        maximum=100,
        median=50,
        bright_row=15,
        dark_row=5,
        bright_column=5,
        dark_column=95,
        distance=3,
    )


@pytest.mark.parametrize('level', [0, 36, 37, 73, 74, 255])
def test_distance_bins(level):
    picture = as_input(np.full((4, 4, 3), level))
    want = dict(zip([0, 36, 37, 73, 74, 255], [0, 0, 1, 1, 2, 6], strict=True))
    assert picture_statistics(picture)['distance'].item() == want[level]


def test_a_picture_without_a_valid_pixel_stays_in_range():
    picture = as_input(random_picture(0, 8, 8))
    got = picture_statistics(picture, torch.zeros(1, 8, 8, dtype=torch.bool))
    assert all(0 <= v.item() <= 100 for v in got.values())
    assert 0 <= got['distance'].item() <= 6
