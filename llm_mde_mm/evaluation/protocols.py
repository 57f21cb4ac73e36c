"""Named ways to turn predictions and ground truth into scores."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from llm_mde_mm.utils.errors import ConfigError

from .alignment import ALIGNMENTS
from .functional import CROPS

AVERAGES = ('per_image', 'pooled')
"""Each picture counts once, or each pixel."""

PREDICTIONS = ('depth', 'disparity')
"""What a model predicts: metres, or disparity up to scale and shift."""


def _check_name(key: str, value: Any, known: tuple) -> None:
    if value not in known:
        raise ConfigError(
            f'{key} must be one of '
            f'{", ".join(str(name) for name in known)}, got {value!r}'
        )


@dataclass(frozen=True)
class Protocol:
    """All that a score depends on besides the two depth maps.

    Args:
        name (str): Name of the preset.
        min_depth (float): Depth in [m] above which ground truth counts.
        max_depth (float): Depth in [m] below which it counts.
        crop (str, optional): ``'nyu_eigen'``, ``'garg'`` or None, see
            :func:`llm_mde_mm.evaluation.eval_mask`.
        alignment (tuple[str, ...]): Names of alignments, see
            :func:`llm_mde_mm.evaluation.align`. The first is the protocol's;
            the others are reported beside it.
        clamp (bool): Whether predictions are clamped to the range of depths
            after the alignment.
        average (str): ``'per_image'``, or ``'pooled'`` over the pixels of
            all pictures.
        predictions (str): ``'depth'`` in [m], or ``'disparity'`` of unknown
            scale and shift, which needs ``alignment='disparity'``.
        min_max (bool): Whether prediction and ground truth are each
            normalised by their minimum and maximum, over all pixels, and
            nothing but thresholds is scored. No other key then matters.

    Raises:
        ConfigError: If a value does not exist or contradicts another.
    """

    name: str
    min_depth: float = 1e-3
    max_depth: float = 10.0
    crop: str | None = None
    alignment: tuple[str, ...] = ('none',)
    clamp: bool = True
    average: str = 'per_image'
    predictions: str = 'depth'
    min_max: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.min_depth < self.max_depth < float('inf'):
            raise ConfigError(
                'need 0 < min_depth < max_depth, got '
                f'{self.min_depth}, {self.max_depth}'
            )
        modes = self.alignment
        if not modes or len(set(modes)) != len(modes):
            raise ConfigError(f'need each alignment once, got {modes}')
        for mode in modes:
            _check_name('alignment', mode, ALIGNMENTS)
        _check_name('crop', self.crop, CROPS)
        _check_name('average', self.average, AVERAGES)
        _check_name('predictions', self.predictions, PREDICTIONS)
        if self.predictions == 'disparity' and modes != ('disparity',):
            raise ConfigError(
                "predictions='disparity' have no metres before they are "
                f"aligned: give alignment='disparity', not {modes}"
            )

    @property
    def depth_range(self) -> tuple[float, float]:
        """``min_depth`` and ``max_depth`` in [m]."""
        return self.min_depth, self.max_depth

    @property
    def clamp_range(self) -> tuple[float, float] | None:
        """The range that predictions are clamped to, if they are."""
        return self.depth_range if self.clamp else None

    @property
    def changed(self) -> list[str]:
        """Keys whose values are not those of the preset.

        Alignments beside the first are an addition, not a change.
        """
        preset = PROTOCOLS[self.name]
        keys = [
            key
            for key in CHANGEABLE
            if key != 'alignment'
            and getattr(self, key) != getattr(preset, key)
        ]
        if self.alignment[0] != preset.alignment[0]:
            keys.append('alignment')
        return keys


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol('nyu', crop='nyu_eigen'),
        Protocol('midas', alignment=('disparity',)),
        Protocol('reference_code', min_max=True),
    )
}
"""The presets, by name."""

CHANGEABLE = tuple(
    field.name
    for field in dataclasses.fields(Protocol)
    if field.name not in ('name', 'min_max')
)
"""Keys of a preset that a user may change."""


def get_protocol(name: str, **changes: Any) -> Protocol:
    """A preset, with some of its keys changed.

    Args:
        name (str): ``'nyu'``: the field's standard for NYU Depth v2 (Eigen,
            arXiv 1406.2283), 1e-3 to 10 m in the Eigen crop, no alignment,
            averages over pictures. ``'midas'``: scale and shift are fitted
            in disparity (arXiv 1907.01341), no crop. ``'reference_code'``:
            what the reference code of arXiv 2409.01133 computes, see
            :func:`llm_mde_mm.evaluation.functional.min_max_deltas`; none of
            its keys can be changed.
        **changes: Keys of :class:`Protocol`. ``alignment`` may be a name or
            several.

    Returns:
        Protocol: The preset with the changes.

    Raises:
        ConfigError: If there is no such protocol or key, or a value does not
            exist.
    """
    if name not in PROTOCOLS:
        raise ConfigError(
            f'there is no protocol {name!r}: there are '
            + ', '.join(repr(known) for known in PROTOCOLS)
        )
    preset = PROTOCOLS[name]
    unknown = sorted(set(changes) - set(CHANGEABLE))
    if unknown:
        raise ConfigError(
            f'a protocol has no key {", ".join(unknown)}: it has '
            + ', '.join(CHANGEABLE)
        )
    if preset.min_max and changes:
        raise ConfigError(
            f'{", ".join(changes)}: protocol {name!r} normalises all pixels '
            'by minimum and maximum, which leaves nothing to change; start '
            "from protocol 'nyu'"
        )
    modes = changes.get('alignment')
    if modes is not None:
        named = (modes,) if isinstance(modes, str) else tuple(modes)
        changes = {**changes, 'alignment': named}
    return dataclasses.replace(preset, **changes)
