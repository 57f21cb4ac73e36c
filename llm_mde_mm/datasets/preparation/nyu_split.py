"""The split of the labelled pictures of NYU Depth v2."""

import json
import operator
from pathlib import Path

from llm_mde_mm.datasets.preparation.layout import plain_name
from llm_mde_mm.utils.errors import DataError

SPLIT_FILE = Path(__file__).parents[2] / 'assets/nyu_labeled_split.json'


def read_split(path: Path = SPLIT_FILE) -> dict[int, str]:
    """Read which picture belongs to which split.

    Args:
        path: JSON of ``first_index`` and a list of numbers for each split;
            by default the official 795 and 654 pictures.

    Returns:
        Place in the labelled file, counted from 0, to split.

    Raises:
        DataError: The file cannot be read, two splits share a picture, or a
            split's name is no plain one.
    """
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
        first = content.pop('first_index')
        pairs = [
            (operator.index(i - first), s) for s in content for i in content[s]
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f'{path}: not a split file ({error!r}); give JSON such as '
            '{"first_index": 1, "train": [2, 3], "test": [1]}'
        ) from error
    for name in content:
        plain_name(name, path)
    split = dict(pairs)
    if len(split) != len(pairs):
        raise DataError(f'{path}: a picture is listed twice; remove one')
    return dict(sorted(split.items()))
