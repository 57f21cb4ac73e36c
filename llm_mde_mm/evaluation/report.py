"""The words and the table in which depth scores are logged."""

from collections.abc import Sequence

from prettytable import PrettyTable

from .functional import SCORES

_CROP_WORDS = {
    None: 'no crop',
    'nyu_eigen': "the NYU Eigen crop scaled to the picture's size",
    'garg': 'the Garg crop',
}
_UNITS = {'sq_rel': ' [m]', 'rmse': ' [m]'}


def protocol_sentence(
    pictures: int,
    skipped: int,
    min_depth: float,
    max_depth: float,
    crop: str | None,
) -> str:
    """Say in words how the scores below it were computed.

    Args:
        pictures (int): Number of pictures averaged.
        skipped (int): Number left out for want of valid ground truth.
        min_depth (float): Lower end of the scored range in [m].
        max_depth (float): Upper end of the scored range in [m].
        crop (str, optional): Name of the crop.

    Returns:
        str: One sentence.
    """
    return (
        f'Depth scores averaged over {pictures} pictures ({skipped} skipped '
        f'without valid ground truth), ground truth from {min_depth:g} to '
        f'{max_depth:g} m, {_CROP_WORDS[crop]}, predictions clamped to that '
        'range; lower is better, but for d1 to d3 higher is better:'
    )


def score_table(rows: Sequence[tuple[str, Sequence[float]]]) -> str:
    """Lay scores out in columns, one row an alignment or baseline.

    Args:
        rows (Sequence): Pairs of a row's name and its nine scores in the
            order of ``SCORES``.

    Returns:
        str: The table, plain ASCII for logs of any encoding.
    """
    table = PrettyTable()
    names = [name + _UNITS.get(name, '') for name in SCORES]
    table.field_names = ['', *names]
    table.align = 'r'
    table.align[''] = 'l'
    for name, scores in rows:
        table.add_row([name, *(f'{value:.4f}' for value in scores)])
    return table.get_string()
