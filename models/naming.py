"""Which candidates form the column, and which level each is: one dynamic program (NumPy only).

States are pairs (candidate, level). A path runs from head to foot; it earns the evidence that
each candidate is a body and has that level, and pays for gaps, jumps in size, kinks and
irregular counts (T13, L6, eleven thoracic or four lumbar vertebrae). The alternatives to the
best naming of the same bodies give the margin and the probability of the naming.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from typing import Final

import numpy as np

from endplate.geometry.landmarks import FloatArray
from endplate.models.decode import CLASSES, Candidate

__all__ = ["NamedColumn", "NamingConfig", "name_column"]

_CERVICAL: Final = len(CLASSES) - 1
_S1: Final = CLASSES.index("S1")
_IMPOSSIBLE: Final = -1e9


@dataclass(frozen=True, slots=True)
class NamingConfig:
    """Weights of the dynamic program, in nats.

    `temperature` divides the level evidence: that of neighbouring bodies is not independent.
    `threshold` is the score at which a candidate neither gains nor costs; `thoracic` divides
    the level evidence of bodies that look like T1 to T9 once more: they resemble each other.
    `trust` divides the nats between namings when they become probabilities: bodies are not
    independent witnesses. `highest` is the uppermost level that is reported, unless the user
    gave an anchor; what lies above is used for counting only.
    """

    temperature: float = 2.0
    threshold: float = 0.3
    body_weight: float = 1.0
    thoracic: float = 2.0
    skipped: float = 4.0
    irregular: float = 4.0
    spacing_sd: float = 0.16
    size_sd: float = 0.16
    kink_sd: float = 16.0
    trust: float = 3.0
    highest: str = "T4"


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
        Nats between this naming and the second best naming of the same bodies.
    alternatives : tuple of (tuple of str, float)
        Other namings, with their probabilities, best first.
    """

    candidates: tuple[Candidate, ...]
    levels: tuple[str, ...]
    probabilities: FloatArray
    margin: float
    alternatives: tuple[tuple[tuple[str, ...], float], ...] = ()


@cache
def _step_costs(irregular: float) -> dict[int, FloatArray]:
    """For 1, 2 and 3 steps down, (L, L) gains (never positive) of going from level to level."""
    n = len(CLASSES)
    regular = [c for c in CLASSES[:-1] if c not in ("T13", "L6")]
    one = np.full((n, n), _IMPOSSIBLE)
    for a, b in pairwise(regular):
        one[CLASSES.index(a), CLASSES.index(b)] = 0.0
    for a, b in (("T12", "T13"), ("L5", "L6"), ("T11", "L1"), ("L4", "S1")):
        one[CLASSES.index(a), CLASSES.index(b)] = -irregular
    for a, b in (("T13", "L1"), ("L6", "S1")):
        one[CLASSES.index(a), CLASSES.index(b)] = 0.0
    one[_CERVICAL, _CERVICAL] = 0.0
    one[_CERVICAL, CLASSES.index("C7")] = 0.0
    steps = {1: one}
    for k in (2, 3):
        before = steps[k - 1]
        steps[k] = np.maximum((before[:, :, None] + one[None]).max(axis=1), _IMPOSSIBLE)
    return steps


def _spacings(ordered: Sequence[Candidate], config: NamingConfig) -> dict[int, FloatArray]:
    """For 1, 2 and 3 levels down, (N, N) gains of candidate j lying that far below candidate i.

    Gains are never positive: steps of an odd length, jumps in size and steps across the body's
    own axis cost.
    """
    centres = np.array([c.centre for c in ordered])
    depths = np.array([c.depth for c in ordered])
    forward = np.array([c.points[0] - c.points[2] for c in ordered])
    forward /= np.maximum(np.hypot(forward[:, 0], forward[:, 1]), 1e-9)[:, None]
    sacrum = np.array([c.sacrum for c in ordered])
    step = centres[None] - centres[:, None]
    distance = np.maximum(np.hypot(step[..., 0], step[..., 1]), 1e-9)
    depth = 0.5 * (depths[:, None] + depths[None])
    along = step / distance[..., None]
    kinks = [
        np.degrees(np.arcsin(np.minimum(np.abs((along * f).sum(axis=2)), 1.0)))
        for f in (forward[:, None], forward[None])
    ]
    cost = (np.log(depths[None] / depths[:, None]) / config.size_sd) ** 2
    cost += (kinks[0] / config.kink_sd) ** 2
    cost += np.where(sacrum, 0.5, 1.0)[None] * (kinks[1] / config.kink_sd) ** 2
    possible = np.triu(np.ones_like(distance, dtype=bool), 1) & ~sacrum[:, None]
    out = {}
    for k in (1, 2, 3):
        # from centre to centre a level is about as long as a body is deep; to the sacral
        # endplate, which lies at the top of its body, two thirds of that
        expected = 0.98 * depth * (k - 0.36 * sacrum[None])
        gain = -0.5 * (cost + (np.log(distance / expected) / config.spacing_sd) ** 2)
        gain = np.maximum(gain, -40.0) - config.skipped * (k - 1)
        near = (distance >= 0.3 * depth) & (distance <= 1.75 * k * depth)
        out[k] = np.where(possible & near, gain, _IMPOSSIBLE)
    return out


def name_column(
    candidates: Sequence[Candidate],
    config: NamingConfig,
    *,
    downward: FloatArray | None = None,
    anchors: Mapping[int, str] | None = None,
) -> NamedColumn | None:
    """Choose the column among the candidates and name it.

    Parameters
    ----------
    downward : (2,) array or None
        Direction from head to foot on the film; down the image unless given.
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
    order = sorted(range(len(candidates)), key=lambda i: float(candidates[i].centre @ axis))
    ordered = [candidates[i] for i in order]
    fixed = {order.index(i): CLASSES.index(level) for i, level in (anchors or {}).items()}
    unary = _unary(ordered, config, fixed)
    steps = _step_costs(config.irregular)
    spacing = _spacings(ordered, config)
    path = _best_path(unary, steps, spacing)
    if fixed and not set(fixed) <= {i for i, _ in path}:
        path = _best_path(unary, steps, spacing, through=sorted(fixed))
    if not path:
        return None
    chain = [i for i, _ in path]
    named = _name_chain(
        [ordered[i] for i in chain], unary[chain], steps, spacing, chain, config.trust
    )
    return named if fixed else _from_level(named, config.highest)


def _from_level(column: NamedColumn, highest: str) -> NamedColumn | None:
    """The part of a column from a level downwards; None if nothing is left."""
    first = CLASSES.index(highest)
    keep = [
        i
        for i, name in enumerate(column.levels)
        if name != CLASSES[_CERVICAL] and CLASSES.index(name) >= first
    ]
    if not keep:
        return None
    start = keep[0]
    return replace(
        column,
        candidates=column.candidates[start:],
        levels=column.levels[start:],
        probabilities=column.probabilities[start:],
        alternatives=tuple((names[start:], p) for names, p in column.alternatives),
    )


def _unary(
    ordered: Sequence[Candidate], config: NamingConfig, fixed: Mapping[int, int]
) -> FloatArray:
    """(N, L) gain of using candidate i as level l."""
    bias = math.log(config.threshold / (1 - config.threshold))
    out = np.full((len(ordered), len(CLASSES)), _IMPOSSIBLE)
    for i, c in enumerate(ordered):
        score = min(max(c.score, 1e-4), 1 - 1e-4)
        body = config.body_weight * (math.log(score / (1 - score)) - bias)
        # relative to its likeliest level: a level in doubt is no evidence against a body
        levels = np.maximum(c.log_levels - c.log_levels.max(), -9.0)
        levels /= config.temperature * (config.thoracic if _looks_thoracic(c) else 1.0)
        if c.sacrum:
            out[i, _S1] = body
        else:
            out[i] = body + levels
            # a body marked on the body map is not the sacral endplate
            out[i, _S1] = _IMPOSSIBLE
        if i in fixed:
            kept = max(out[i, fixed[i]], 0.0)
            out[i] = _IMPOSSIBLE
            out[i, fixed[i]] = kept + 20.0
    return out


def _looks_thoracic(candidate: Candidate) -> bool:
    level = int(candidate.log_levels.argmax())
    return level == _CERVICAL or level < CLASSES.index("T10")


def _best_path(
    unary: FloatArray,
    steps: Mapping[int, FloatArray],
    spacing: Mapping[int, FloatArray],
    through: Sequence[int] = (),
) -> list[tuple[int, int]]:
    """Viterbi over (candidate, level); candidates may be left out, except those of `through`."""
    n, levels = unary.shape
    score = unary.copy()
    back: dict[tuple[int, int], tuple[int, int]] = {}
    for j in range(n):
        if any(t < j for t in through):
            score[j] = _IMPOSSIBLE
        for i in range(j):
            if any(i < t < j for t in through):
                continue
            for k, gains in spacing.items():
                if gains[i, j] > _IMPOSSIBLE / 2:
                    reach = score[i][:, None] + steps[k] + gains[i, j]
                    _extend(score, back, reach, unary[j], i, j)
    ends = score.copy()
    if through:
        ends[: max(through)] = _IMPOSSIBLE
    flat = int(ends.argmax())
    state = (flat // levels, flat % levels)
    if ends[state] < _IMPOSSIBLE / 2:
        return []
    path = [state]
    while path[-1] in back:
        path.append(back[path[-1]])
    return path[::-1]


def _extend(
    score: FloatArray,
    back: dict[tuple[int, int], tuple[int, int]],
    reach: FloatArray,
    unary: FloatArray,
    i: int,
    j: int,
) -> None:
    """Take the step from candidate i to j wherever it beats what led to j so far."""
    best = reach.argmax(axis=0)
    value = reach[best, np.arange(reach.shape[1])] + unary
    for level in np.nonzero(value > score[j])[0]:
        score[j, level] = value[level]
        back[j, int(level)] = (i, int(best[level]))


def _name_chain(
    chosen: Sequence[Candidate],
    unary: FloatArray,
    steps: Mapping[int, FloatArray],
    spacing: Mapping[int, FloatArray],
    chain: Sequence[int],
    trust: float,
) -> NamedColumn:
    """All namings of the chosen bodies: posterior of each body, best naming, margin."""
    moves = []
    for i, j in pairwise(chain):
        moves.append(np.max([gains[i, j] + steps[k] for k, gains in spacing.items()], axis=0))
    namings = _namings(unary, moves)
    scores = np.array([s for s, _ in namings])
    weights = np.exp((scores - scores.max()) / trust)
    weights /= weights.sum()
    best = namings[0][1]
    probabilities = np.array(
        [
            sum(w for w, (_, path) in zip(weights, namings, strict=True) if path[i] == best[i])
            for i in range(len(best))
        ]
    )
    margin = float(scores[0] - scores[1]) if len(scores) > 1 else math.inf
    names = [tuple(CLASSES[x] for x in path) for _, path in namings]
    return NamedColumn(
        tuple(chosen),
        names[0],
        probabilities,
        margin,
        tuple(zip(names[1:6], weights[1:6].tolist(), strict=True)),
    )


def _namings(
    unary: FloatArray, moves: Sequence[FloatArray], keep: int = 4
) -> list[tuple[float, tuple[int, ...]]]:
    """The best namings of a fixed chain, best first: Viterbi with `keep` paths a state."""
    levels = unary.shape[1]
    lists: list[list[tuple[float, tuple[int, ...]]]] = [
        [(float(unary[0, level]), (level,))] if unary[0, level] > _IMPOSSIBLE / 2 else []
        for level in range(levels)
    ]
    for row, move in zip(unary[1:], moves, strict=True):
        grown: list[list[tuple[float, tuple[int, ...]]]] = []
        for level in range(levels):
            if row[level] < _IMPOSSIBLE / 2:
                grown.append([])
                continue
            options = [
                (score + float(move[before, level]) + float(row[level]), (*path, level))
                for before in range(levels)
                if move[before, level] > _IMPOSSIBLE / 2
                for score, path in lists[before]
            ]
            options.sort(key=lambda o: -o[0])
            grown.append(options[:keep])
        lists = grown
    namings = [option for options in lists for option in options]
    namings.sort(key=lambda o: -o[0])
    return namings
