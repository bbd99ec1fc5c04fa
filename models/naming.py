"""Which candidates form the column, and which level each is (NumPy only).

Whole-film namings compete: which candidates are bodies, how many are missed between them, and
which level the lowest is. Each earns the weighted evidence of `endplate.models.naming_evidence`
(what bodies and sacrum look like, spacing, sizes, angles, what the film shows below, irregular
counts); the best through every candidate and level are kept, and the weights, fitted by maximum
likelihood, make their gains a posterior: of each level of each body, of the film's names being
right as they are, and of their being off by one or two.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from endplate.geometry.landmarks import FloatArray
from endplate.geometry.levels import REGULAR_LEVELS
from endplate.models.decode import CLASSES, Candidate
from endplate.models.naming_evidence import FEATURES, IMPOSSIBLE, IntArray, gather
from endplate.models.naming_paths import Path, best_paths

__all__ = [
    "SHIFTS",
    "NamedColumn",
    "NamingConfig",
    "Namings",
    "choose_naming",
    "name_column",
    "order_down",
]

#: Shifts of all names of a film whose probabilities are given; positive is towards the foot.
SHIFTS: Final = (-2, -1, 0, 1, 2)
_CERVICAL: Final = len(CLASSES) - 1
_CERTAIN: Final = 20.0
"""Nats for a level that the user gives."""
#: Place in a regular spine; T13 and L6 stand where T12 and L5 do.
_PLACES: Final = np.array(
    [REGULAR_LEVELS.index({"T13": "T12", "L6": "L5"}.get(c, c)) for c in CLASSES[:-1]] + [-1]
)
#: The regular levels beside each.
_BESIDE: Final = tuple(
    [k for k, c in enumerate(CLASSES) if abs(_PLACES[k] - own) == 1 and c not in ("T13", "L6")]
    for own in _PLACES
)


@dataclass(frozen=True, slots=True)
class NamingConfig:
    """Weights of the evidence, in nats for one unit of each feature.

    The features are those of `FEATURES`, of the same names. `trust` divides the nats between
    namings when they become probabilities: bodies are not independent witnesses. `blind` is the
    probability that all names are off by one although nothing seen says so, as where a sacral body
    looks like a lumbar one. `highest` is the uppermost level that is reported, unless the user
    gave an anchor; what lies above is used for counting only. So are bodies above `sure_from` from
    where the probability of their names falls below `keep` times that of the surest name: far up,
    a body missed or seen twice shifts all that follows. The defaults were fitted on simulated
    films (`benchmarks/naming_prior.py`, the last two with the weights as they are); annotated films
    move them from there.
    """

    body: float = 1.05
    bodies: float = 1.64
    sacrum: float = 1.06
    sacra: float = 2.23
    sacral: float = 0.125
    lowest: float = 0.11
    lumbar: float = 0.434
    lower_thoracic: float = 0.147
    thoracic: float = 0.207
    tilt: float = 0.0
    doubled: float = 0.302
    thoracic_spacing: float = 0.669
    lumbar_spacing: float = 0.584
    sacral_spacing: float = 0.264
    overlap: float = 0.472
    size: float = 0.283
    kink: float = 0.936
    angle: float = 0.0518
    skipped: float = 3.92
    unseen: float = 0.47
    irregular: float = 3.7
    trust: float = 0.949
    blind: float = 0.03
    highest: str = "T4"
    sure_from: str = "T10"
    keep: float = 0.85

    @property
    def weights(self) -> FloatArray:
        """(F,) weights in the order of `FEATURES`."""
        return np.array([getattr(self, name) for name in FEATURES])

    def with_weights(self, weights: FloatArray) -> "NamingConfig":
        """The same with other weights, in the order of `FEATURES`."""
        new: dict[str, Any] = {n: float(w) for n, w in zip(FEATURES, weights, strict=True)}
        return replace(self, **new)


@dataclass(frozen=True, eq=False)
class NamedColumn:
    """The vertebrae of one film, head to foot.

    Parameters
    ----------
    candidates : tuple of Candidate
    levels : tuple of str
        A name for each, or ``"above C7"``.
    probabilities : (N,) array
        Probability that each name is right.
    margin : float
        Nats between this naming and the best one that gives a body another name; infinite if
        there is none.
    probability : float
        Probability that all names are right.
    shifts : mapping
        Shift -> probability that the names must move so many levels down to be right, for
        `SHIFTS`; what is missing to 1 is farther off.
    level_probabilities : (N, len(CLASSES)) array
        Probability of every level for each body.
    alternatives : tuple of (tuple of str, float)
        Other namings of these bodies, with their probabilities, best first.
    namings : Namings or None
        What it was chosen from; None: it cannot be parted.
    """

    candidates: tuple[Candidate, ...]
    levels: tuple[str, ...]
    probabilities: FloatArray
    margin: float
    probability: float
    shifts: Mapping[int, float]
    level_probabilities: FloatArray
    alternatives: tuple[tuple[tuple[str, ...], float], ...] = ()
    namings: "Namings | None" = None

    def part(self, rows: Sequence[int]) -> "NamedColumn":
        """Only these bodies, and how sure their names are, whatever those of the others are."""
        if self.namings is None or list(rows) == list(range(len(self.levels))):
            return self
        return _summary(replace(self.namings, chain=tuple(self.namings.chain[i] for i in rows)))


@dataclass(frozen=True, eq=False)
class Namings:
    """The namings of a film that compete.

    Parameters
    ----------
    ordered : tuple of Candidate
        Head to foot.
    paths : tuple of Path
        Best first.
    trust, blind : float
        See `NamingConfig`.
    chain : tuple of (int, int)
        Candidate and level of each body that is reported.
    """

    ordered: tuple[Candidate, ...]
    paths: tuple[Path, ...]
    trust: float
    blind: float
    chain: tuple[tuple[int, int], ...]


def name_column(
    candidates: Sequence[Candidate],
    config: NamingConfig,
    *,
    downward: FloatArray | None = None,
    shape: tuple[int, int] | None = None,
    anchors: Mapping[int, str] | None = None,
) -> NamedColumn | None:
    """Choose the column among the candidates and name it.

    Parameters
    ----------
    downward : (2,) array or None
        Direction from head to foot on the film; down the image unless given.
    shape : (rows, columns) or None
        Size of the film: bodies that it should show below the column and does not are evidence.
    anchors : mapping or None
        Index of a candidate -> level that the user says it has.

    Returns
    -------
    NamedColumn or None
        None where no candidate is worth a body.
    """
    if not candidates:
        return None
    axis = np.array([0.0, 1.0]) if downward is None else downward
    order = order_down(candidates, axis)
    ordered = [candidates[i] for i in order]
    fixed = {order.index(i): CLASSES.index(level) for i, level in (anchors or {}).items()}
    paths = best_paths(
        gather(ordered, axis, shape),
        config.weights,
        bonus=_bonus(len(ordered), fixed),
        through=sorted(fixed),
    )
    return choose_naming(ordered, paths, config, whole=bool(fixed))


def order_down(candidates: Sequence[Candidate], downward: FloatArray) -> list[int]:
    """Indices of the candidates from head to foot."""
    return sorted(range(len(candidates)), key=lambda i: float(candidates[i].centre @ downward))


def choose_naming(
    ordered: Sequence[Candidate],
    paths: Sequence[Path],
    config: NamingConfig,
    *,
    whole: bool = False,
) -> NamedColumn | None:
    """The first of the `paths`, which are sorted by their gain, judged by all of them.

    Parameters
    ----------
    ordered : sequence of Candidate
        Head to foot: what the paths are made of.
    whole : bool
        Report all of it, not only what `config` says, and take the names for those of the user.
    """
    if not paths:
        return None
    chain = list(zip(paths[0].candidates, paths[0].levels, strict=True))
    if not whole:
        chain = _reported(chain, paths, config)
    if not chain:
        return None
    blind = 0.0 if whole else config.blind
    return _summary(Namings(tuple(ordered), tuple(paths), config.trust, blind, tuple(chain)))


def _reported(
    chain: Sequence[tuple[int, int]], paths: Sequence[Path], config: NamingConfig
) -> list[tuple[int, int]]:
    """The part of the best path that is reported: see `NamingConfig`."""
    first = CLASSES.index(config.highest)
    part = [(i, level) for i, level in chain if first <= level < _CERVICAL]
    if not part:
        return []
    names = _names(paths, [i for i, _ in part])
    levels = np.array([level for _, level in part])
    sure = _table(names, _posterior(paths, config.trust))[np.arange(len(part)), levels]
    sure_from = CLASSES.index(config.sure_from)
    top = next((n for n, level in enumerate(levels) if level >= sure_from), len(part) - 1)
    least = config.keep * float(sure[top:].max())
    while top > 0 and sure[top - 1] >= least:
        top -= 1
    return part[top:]


def _bonus(count: int, fixed: Mapping[int, int]) -> FloatArray | None:
    """(N, L) what the user's levels add to the states."""
    if not fixed:
        return None
    out = np.zeros((count, len(CLASSES)))
    for i, level in fixed.items():
        out[i] = IMPOSSIBLE
        out[i, level] = _CERTAIN
    return out


def _posterior(paths: Sequence[Path], trust: float) -> FloatArray:
    """(P,) probability of each path."""
    gains = np.array([p.gain for p in paths])
    weights = np.exp((gains - gains.max()) / trust)
    out: FloatArray = weights / weights.sum()
    return out


def _summary(namings: Namings) -> NamedColumn:
    """The bodies of the chain with the names that they have there, judged by all paths."""
    chain, paths = namings.chain, namings.paths
    gains = np.array([p.gain for p in paths])
    weights = _posterior(paths, namings.trust)
    names = _names(paths, [i for i, _ in chain])
    levels = np.array([level for _, level in chain])
    table = _blurred(_table(names, weights), namings.blind)
    shared = (names >= 0).any(axis=0)
    same = shared & ((names == levels[:, None]) | (names < 0)).all(axis=0)
    others = gains[shared & ~same]
    return NamedColumn(
        tuple(namings.ordered[i] for i, _ in chain),
        tuple(CLASSES[level] for level in levels),
        table[np.arange(len(chain)), levels],
        float(gains[0] - others.max()) if others.size else math.inf,
        (1 - namings.blind) * float(weights[same].sum() / weights[shared].sum()),
        _blurred_shifts(_shifts(names, levels, weights), namings.blind),
        table,
        _alternatives(names, (1 - namings.blind) * weights, shared & ~same),
        namings,
    )


def _blurred(table: FloatArray, blind: float) -> FloatArray:
    """(N, L) probabilities of levels, the share `blind` of each moved to the levels beside it."""
    out: FloatArray = (1 - blind) * table
    for level, beside in enumerate(_BESIDE):
        out[:, beside] += blind / len(beside) * table[:, [level]]
    return out


def _blurred_shifts(shifts: Mapping[int, float], blind: float) -> dict[int, float]:
    """The same of shifts; those beyond the farthest are lost."""
    beside = {s: shifts.get(s - 1, 0.0) + shifts.get(s + 1, 0.0) for s in shifts}
    return {s: (1 - blind) * p + 0.5 * blind * beside[s] for s, p in shifts.items()}


def _table(names: IntArray, weights: FloatArray) -> FloatArray:
    """(N, len(CLASSES)) probability of each level for each body, given that it is one."""
    out = np.zeros((len(names), len(CLASSES)))
    for column, weight in zip(names.T, weights, strict=True):
        used = np.nonzero(column >= 0)[0]
        out[used, column[used]] += weight
    out /= np.maximum(out.sum(axis=1, keepdims=True), 1e-12)
    return out


def _names(paths: Sequence[Path], chain: Sequence[int]) -> IntArray:
    """(N, P) level that each path gives to each body of the chain; -1: it does not use it."""
    out = np.full((len(chain), len(paths)), -1, dtype=np.intp)
    rows = {candidate: row for row, candidate in enumerate(chain)}
    for column, path in enumerate(paths):
        for i, level in zip(path.candidates, path.levels, strict=True):
            if i in rows:
                out[rows[i], column] = level
    return out


def _shifts(names: IntArray, levels: IntArray, weights: FloatArray) -> dict[int, float]:
    """Probability of each shift: the middle one of the bodies that a path shares with the best."""
    apart = np.where(names >= 0, _PLACES[names] - _PLACES[levels][:, None], np.nan)
    shared = np.nonzero((names >= 0).any(axis=0))[0]
    # the lower half decides where a path gains or loses a body on the way
    moved = np.array([_lower_median(apart[:, h]) for h in shared])
    share = weights[shared] / weights[shared].sum()
    return {s: float(share[moved == s].sum()) for s in SHIFTS}


def _lower_median(values: FloatArray) -> int:
    known = values[~np.isnan(values)]
    lower = np.sort(known[len(known) // 2 :])
    return int(lower[(len(lower) - 1) // 2])


def _alternatives(
    names: IntArray, weights: FloatArray, others: NDArray[np.bool_], most: int = 5
) -> tuple[tuple[tuple[str, ...], float], ...]:
    """Other names of all the bodies, with their probabilities, best first."""
    total: dict[tuple[str, ...], float] = {}
    for h in np.nonzero(others & (names >= 0).all(axis=0))[0]:
        key = tuple(CLASSES[level] for level in names[:, h])
        total[key] = total.get(key, 0.0) + float(weights[h])
    return tuple(sorted(total.items(), key=lambda item: -item[1])[:most])
