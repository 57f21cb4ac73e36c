"""What a model has and what of it is trained, as a text table."""

from collections import Counter, defaultdict
from collections.abc import Mapping

from torch import nn


def parameter_table(
    model: nn.Module,
    rates: Mapping[nn.Parameter, float],
    depth: int = 2,
) -> str:
    """Parameters, trained parameters and learning rate of each part.

    Args:
        model (nn.Module): Any network.
        rates (Mapping[nn.Parameter, float]): Learning rates of what is
            trained; a part shows the lowest and the highest.
        depth (int): How many levels of submodules make a part's name.

    Returns:
        str: One row a part and a row for the sum.
    """
    total: Counter = Counter()
    trained: Counter = Counter()
    found = defaultdict(set)
    for name, parameter in model.named_parameters():
        part = '.'.join(name.split('.')[:-1][:depth]) or name
        total[part] += parameter.numel()
        trained[part] += parameter.numel() * parameter.requires_grad
        if parameter in rates:
            found[part].add(f'{rates[parameter]:.1e}')
    rows = [('part', 'parameters', 'trained', 'learning rate')]
    for part in total:
        ordered = sorted(found[part], key=float)
        rate = ' to '.join(dict.fromkeys(ordered[:1] + ordered[-1:]))
        rows.append((part, f'{total[part]:,}', f'{trained[part]:,}', rate))
    rows.append(
        ('all', f'{sum(total.values()):,}', f'{sum(trained.values()):,}', '')
    )
    width = max(len(row[0]) for row in rows)
    return '\n'.join(
        f'{part:<{width}}  {every:>14}  {some:>14}  {rate}'.rstrip()
        for part, every, some, rate in rows
    )
