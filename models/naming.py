"""Which candidates form the column, and which level each is: one dynamic program (NumPy only).

States are pairs (candidate, level). A path runs from head to foot; it earns the evidence that
each candidate is a body and has that level, and pays for gaps, jumps in size, kinks and
irregular counts (T13, L6, eleven thoracic or four lumbar vertebrae). The alternatives to the
best naming of the same bodies give the margin and the probability of the naming.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    `threshold` is the score at which a candidate neither gains nor costs; `level_gain`, how much
    a level as likely as chance counts as evidence for a body (0: not at all, 1: fully).
    """

    temperature: float = 2.0
    threshold: float = 0.3
    body_weight: float = 1.0
    level_gain: float = 0.5
    skipped: float = 4.0
    irregular: float = 4.0
    spacing_sd: float = 0.16
    size_sd: float = 0.16
    kink_sd: float = 16.0


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


def _step_costs(config: NamingConfig) -> dict[int, FloatArray]:
    """For 1, 2 and 3 steps down, (L, L) gains (never positive) of going from level to level."""
    n = len(CLASSES)
    regular = [c for c in CLASSES[:-1] if c not in ("T13", "L6")]
    one = np.full((n, n), _IMPOSSIBLE)
    for a, b in pairwise(regular):
        one[CLASSES.index(a), CLASSES.index(b)] = 0.0
    for a, b in (("T12", "T13"), ("L5", "L6"), ("T11", "L1"), ("L4", "S1")):
        one[CLASSES.index(a), CLASSES.index(b)] = -config.irregular
    for a, b in (("T13", "L1"), ("L6", "S1")):
        one[CLASSES.index(a), CLASSES.index(b)] = 0.0
    one[_CERVICAL, _CERVICAL] = 0.0
    one[_CERVICAL, CLASSES.index("C7")] = 0.0
    steps = {1: one}
    for k in (2, 3):
        before = steps[k - 1]
        steps[k] = np.maximum((before[:, :, None] + one[None]).max(axis=1), _IMPOSSIBLE)
    return steps


def _spacing(config: NamingConfig, a: Candidate, b: Candidate, k: int) -> float:
    """Gain of candidate `b` lying `k` levels below candidate `a`; never positive."""
    step = b.centre - a.centre
    depth = 0.5 * (a.depth + b.depth)
    distance = float(np.hypot(*step))
    if distance < 0.3 * depth or distance > 1.75 * k * depth:
        return _IMPOSSIBLE
    # from centre to centre a level is about as long as a body is deep; to the sacral endplate,
    # which lies at the top of its body, two thirds of that
    expected = depth * ((k - 0.36) if b.sacrum else k) * 0.98
    gain = -0.5 * (math.log(distance / expected) / config.spacing_sd) ** 2
    gain -= 0.5 * (math.log(b.depth / a.depth) / config.size_sd) ** 2
    for one, weight in ((a, 1.0), (b, 0.5 if b.sacrum else 1.0)):
        gain -= 0.5 * weight * (_kink(one, step) / config.kink_sd) ** 2
    return max(gain, -40.0) - config.skipped * (k - 1)


def _kink(candidate: Candidate, step: FloatArray) -> float:
    """Degrees between the step to the neighbour and the body's own axis."""
    forward = candidate.points[0] - candidate.points[2]
    cosine = abs(float(forward @ step)) / max(float(np.hypot(*forward) * np.hypot(*step)), 1e-9)
    return math.degrees(math.asin(min(cosine, 1.0)))


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
    steps = _step_costs(config)
    spacing = _all_spacings(ordered, config)
    path = _best_path(unary, steps, spacing)
    if fixed and not set(fixed) <= {i for i, _ in path}:
        path = _best_path(unary, steps, spacing, through=sorted(fixed))
    if not path:
        return None
    chain = [i for i, _ in path]
    return _name_chain([ordered[i] for i in chain], unary[chain], steps, spacing, chain)


def _unary(
    ordered: Sequence[Candidate], config: NamingConfig, fixed: Mapping[int, int]
) -> FloatArray:
    """(N, L) gain of using candidate i as level l."""
    bias = math.log(config.threshold / (1 - config.threshold))
    chance = config.level_gain * math.log(len(CLASSES))
    out = np.full((len(ordered), len(CLASSES)), _IMPOSSIBLE)
    for i, c in enumerate(ordered):
        score = min(max(c.score, 1e-4), 1 - 1e-4)
        body = config.body_weight * (math.log(score / (1 - score)) - bias)
        # against a level drawn at random: a body that looks like its level is a better body
        levels = (np.maximum(c.log_levels, -9.0) + chance) / config.temperature
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


def _all_spacings(
    ordered: Sequence[Candidate], config: NamingConfig
) -> dict[tuple[int, int], dict[int, float]]:
    out: dict[tuple[int, int], dict[int, float]] = {}
    for j, b in enumerate(ordered):
        for i in range(j):
            if ordered[i].sacrum:
                continue
            gains = {k: _spacing(config, ordered[i], b, k) for k in (1, 2, 3)}
            gains = {k: g for k, g in gains.items() if g > _IMPOSSIBLE / 2}
            if gains:
                out[i, j] = gains
    return out


def _best_path(
    unary: FloatArray,
    steps: Mapping[int, FloatArray],
    spacing: Mapping[tuple[int, int], Mapping[int, float]],
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
            if (i, j) not in spacing or any(i < t < j for t in through):
                continue
            for k, gain in spacing[i, j].items():
                reach = score[i][:, None] + steps[k] + gain
                best = reach.argmax(axis=0)
                value = reach[best, np.arange(levels)] + unary[j]
                for level in np.nonzero(value > score[j])[0]:
                    score[j, level] = value[level]
                    back[j, int(level)] = (i, int(best[level]))
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


def _name_chain(
    chosen: Sequence[Candidate],
    unary: FloatArray,
    steps: Mapping[int, FloatArray],
    spacing: Mapping[tuple[int, int], Mapping[int, float]],
    chain: Sequence[int],
) -> NamedColumn:
    """All namings of the chosen bodies: posterior of each body, best naming, margin."""
    moves = []
    for i, j in pairwise(chain):
        moves.append(np.max([gain + steps[k] for k, gain in spacing[i, j].items()], axis=0))
    namings = _namings(unary, moves)
    scores = np.array([s for s, _ in namings])
    weights = np.exp(scores - scores.max())
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
