"""Tables of runs: their rows, and the config of each row and seed."""

import ast
import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config
from mmseg.registry import DATASETS

from llm_mde_mm.datasets.listing import describe_split, stored_bytes
from llm_mde_mm.datasets.wrapped import without_pipeline
from llm_mde_mm.utils.errors import ConfigError

from .launch import load_config
from .table_digest import config_digest
from .table_weights import weight_digests

# Rules of a subset that draw at random.
_DRAWS = ('shots', 'rooms')


class Run(NamedTuple):
    """One training of a row, by one seed.

    Attributes:
        table (str): Name of the table.
        row (str): Name of the row, its config's stem.
        seed (int): The seed of the run.
        title (str): The row in words.
        cfg (Config): The whole config, with seed and options.
        digest (str): Of all that the scores depend on.
    """

    table: str
    row: str
    seed: int
    title: str
    cfg: Config
    digest: str

    @property
    def name(self) -> str:
        """``<row>_seed<k>``, which files and folders are called by."""
        return f'{self.row}_seed{self.seed}'


def natural_key(name: str) -> list[tuple[bool, int, str]]:
    """Sort key: ``0_default``, ``batch_low``, ``run_4``, ``run_16``."""
    return [
        (not part.isdigit(), int(part) if part.isdigit() else 0, part)
        for part in re.split(r'(\d+)', name)
        if part
    ]


def find_rows(
    folder: str | Path, names: Sequence[str] | None = None
) -> list[Path]:
    """Configs of a table's rows, in the order of the page.

    Args:
        folder (str | Path): The table's folder.
        names (Sequence[str], optional): Stems of the rows; all by default.

    Raises:
        ConfigError: If there is no such table or row.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ConfigError(f'there is no folder of configs {str(folder)!r}')
    found = {path.stem: path for path in folder.glob('*.py')}
    unknown = sorted(set(names or ()) - found.keys())
    if unknown or not found:
        raise ConfigError(
            f'{folder} has no row {", ".join(unknown)}; there are '
            + ', '.join(sorted(found, key=natural_key))
        )
    return [
        found[name]
        for name in sorted(found, key=natural_key)
        if not names or name in names
    ]


def title_of(path: str | Path) -> str:
    """First line of a config's docstring, without its full stop."""
    text = ast.get_docstring(ast.parse(Path(path).read_text()))
    return text.splitlines()[0].rstrip('.') if text else Path(path).stem


def make_run(
    path: str | Path,
    seed: int,
    options: Mapping | None = None,
    amp: bool = False,
) -> Run:
    """Read a row's config for a seed.

    The seed is that of ``randomness`` and of every subset that draws.

    Args:
        path (str | Path): The row's config.
        seed (int): The seed.
        options (Mapping, optional): Dotted keys and values.
        amp (bool): Whether training is in mixed precision.

    Raises:
        ConfigError: If an option has no effect here, or a depth metric a
            prefix.
    """
    path = Path(path)
    for key in options or ():
        if key == 'work_dir' or key.endswith(
            ('randomness.seed', 'subset.seed')
        ):
            raise ConfigError(
                f'--cfg-options {key}: --seeds and --work-dir say that for '
                'each run of a table'
            )
    cfg = load_config(str(path), options)
    for part in ('val', 'test'):
        _check_unprefixed(path, part, cfg.get(f'{part}_evaluator'))
    cfg.merge_from_dict({'randomness.seed': seed})
    for split in ('train', 'val', 'test'):
        for rule in _rules(cfg.get(f'{split}_dataloader')):
            # MMEngine leaves it where the base has nothing to delete.
            rule.pop('_delete_', None)
            if any(rule.get(key) for key in _DRAWS):
                rule['seed'] = seed
    return Run(
        path.resolve().parent.name,
        path.stem,
        seed,
        title_of(path),
        cfg,
        config_digest(cfg, amp),
    )


def _check_unprefixed(path: Path, part: str, metrics: Any) -> None:
    for metric in metrics if isinstance(metrics, list) else [metrics]:
        if isinstance(metric, Mapping) and metric.get('prefix'):
            raise ConfigError(
                f'{path}: {part}_evaluator has the prefix '
                f'{metric["prefix"]!r}, and a page reads scores without one: '
                'score by that metric with tools/test.py'
            )


def _rules(part: Any) -> Iterator[Any]:
    """Rules of subsets in a part of a config, those under 'then' too."""
    if isinstance(part, Mapping):
        for key, value in part.items():
            if key in ('subset', 'then') and isinstance(value, Mapping):
                yield value
            yield from _rules(value)
    elif isinstance(part, list | tuple):
        for value in part:
            yield from _rules(value)


def scoring_configs(cfg: Config) -> dict[str, Config]:
    """Configs to test a run by, each for ``tools/test.py``.

    Args:
        cfg (Config): The run's.

    Returns:
        dict[str, Config]: 'val', whose data set stands in the test set's
        place, 'test' and each of ``test_scenes``, a part of the test set.
    """
    cases = {name: copy.deepcopy(cfg) for name in ('val', 'test')}
    cases['val'].test_dataloader.dataset = copy.deepcopy(
        cfg.val_dataloader.dataset
    )
    for scene in cfg.get('test_scenes', ()):
        cases[scene] = copy.deepcopy(cfg)
        cases[scene].merge_from_dict(
            {'test_dataloader.dataset.subset.scenes': scene}
        )
    return cases


def describe_splits(cfg: Config) -> dict[str, dict[str, Any]]:
    """Number of pictures, digest and size of each data set of a config.

    Raises:
        DataError: If one is missing; see the data sets.
    """
    found = {}
    for split in ('train', 'val', 'test'):
        loader = cfg[f'{split}_dataloader']
        dataset = DATASETS.build(without_pipeline(loader.dataset))
        found[split] = dict(
            describe_split(dataset), bytes=stored_bytes(dataset)
        )
    return found


def identity_of(run: Run) -> dict[str, Any]:
    """What a result must agree with to be that of a run.

    Args:
        run (Run): The run.

    Raises:
        DataError: If data are missing; see the data sets.
    """
    return dict(
        digest=run.digest,
        splits=describe_splits(run.cfg),
        weight_digests=weight_digests(run.cfg),
    )


def difference(result: Mapping, identity: Mapping) -> str | None:
    """In words, what a result was measured with that a run has not.

    Where one lacks a figure, as those of earlier versions do, the others
    decide.

    Args:
        result (Mapping): The result, or the state of a run's folder.
        identity (Mapping): The run's, by :func:`identity_of`.
    """
    if result.get('digest') != identity['digest']:
        return 'another config'
    pictures, own = result.get('splits') or {}, identity['splits']
    if pictures.keys() != own.keys() or any(
        _disagree(pictures[split], own[split]) for split in own
    ):
        return 'other pictures'
    weights = result.get('weight_digests') or {}
    if _disagree(weights, identity['weight_digests']):
        return 'other weights'
    return None


def _disagree(one: Mapping, other: Mapping) -> bool:
    return any(one[key] != other[key] for key in one.keys() & other.keys())
