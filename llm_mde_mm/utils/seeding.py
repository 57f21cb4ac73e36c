"""Random draws that depend on a key alone, and one seed for a config."""

import random
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


@contextmanager
def seeded(*key: int) -> Iterator[None]:
    """Seed Python's, NumPy's and torch's CPU generator for a while.

    Their states come back at the end, so that who else draws from them does
    not notice.

    Args:
        *key (int): Numbers of 0 or more; equal keys give equal draws.
    """
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    word = _seed_host(key)
    # torch.manual_seed would reach for the GPUs too.
    torch.default_generator.manual_seed(word)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])


def seed_everything(*key: int) -> None:
    """Seed Python's, NumPy's and torch's generators, on all devices.

    Args:
        *key (int): Numbers of 0 or more; equal keys give equal draws.
    """
    torch.manual_seed(_seed_host(key))


def _seed_host(key: tuple[int, ...]) -> int:
    """Seed Python and NumPy; a number to seed torch with is left over."""
    words = np.random.SeedSequence(key).generate_state(3).tolist()
    random.seed(words[0])
    np.random.seed(words[1])
    return words[2]


def share_seed(cfg: MutableMapping) -> None:
    """Give ``randomness.seed`` to each subset that draws without its own.

    A rule of :func:`llm_mde_mm.datasets.splits.choose` with ``shots`` or
    ``rooms`` and no ``seed`` draws by the run's seed.

    Args:
        cfg (MutableMapping): A whole config, changed in place.
    """
    seed = cfg.get('randomness', {}).get('seed')
    if seed is None:
        return
    for split in ('train', 'val', 'test'):
        for rule in _subsets(cfg.get(f'{split}_dataloader')):
            while isinstance(rule, MutableMapping):
                draws = rule.get('shots') or rule.get('rooms')
                if draws and rule.get('seed') is None:
                    rule['seed'] = seed
                rule = rule.get('then')


def _subsets(part: Any) -> Iterator[Any]:
    """Each ``subset`` in a config of data sets, however they are nested."""
    if isinstance(part, Mapping):
        for key, value in part.items():
            if key == 'subset':
                yield value
            else:
                yield from _subsets(value)
    elif isinstance(part, list | tuple):
        for value in part:
            yield from _subsets(value)
