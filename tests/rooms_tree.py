"""Rendered rooms as files in the NYU layout."""

from pathlib import Path

import cv2

from llm_mde_mm.datasets.synthetic_rooms import SyntheticRooms
from llm_mde_mm.utils.depth_io import write_depth_png

SIZE = (60, 80)


def write_rooms_tree(root, **counts):
    """Write ``images`` and ``annotations``; a count of pictures a split."""
    rooms = SyntheticRooms(num_rooms=sum(counts.values()), size=SIZE)
    start = 0
    for split, count in counts.items():
        for kind in ('images', 'annotations'):
            (root / kind / split).mkdir(parents=True)
        for index in range(start, start + count):
            room = rooms[index]
            stem = Path(room['img_path']).stem
            picture = root / f'images/{split}/{stem}.jpg'
            cv2.imwrite(str(picture), room['img'])
            write_depth_png(
                root / f'annotations/{split}/{stem}.png', room['gt_depth_map']
            )
        start += count
    return root
