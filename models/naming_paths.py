"""Whole-film namings: the best path through every state of the dynamic program (NumPy only).

States are pairs (candidate, level), paths run from head to foot. One pass down and one up give,
for every state, the best path through it; together these are the namings worth comparing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Final

import numpy as np

from endplate.geometry.landmarks import FloatArray
from endplate.models.decode import CLASSES
from endplate.models.naming_evidence import CERVICAL, IMPOSSIBLE, Evidence, IntArray

__all__ = ["Path", "best_paths", "irregularities", "path_features"]

_REGULAR: Final = [c for c in CLASSES[:-1] if c not in ("T13", "L6")]


@cache
def irregularities() -> FloatArray:
    """(3, L, L) fewest irregular counts on the way 1, 2, 3 levels down; inf where impossible."""
    n = len(CLASSES)
    one = np.full((n, n), np.inf)
    for a, b in pairwise(_REGULAR):
        one[CLASSES.index(a), CLASSES.index(b)] = 0.0
    for a, b in (("T12", "T13"), ("L5", "L6"), ("T11", "L1"), ("L4", "S1")):
        one[CLASSES.index(a), CLASSES.index(b)] = 1.0
    for a, b in (("T13", "L1"), ("L6", "S1")):
        one[CLASSES.index(a), CLASSES.index(b)] = 0.0
    one[CERVICAL, CERVICAL] = one[CERVICAL, CLASSES.index("C7")] = 0.0
    steps = [one]
    for _ in range(2):
        steps.append((steps[-1][:, :, None] + one[None]).min(axis=1))
    out = np.stack(steps)
    out.flags.writeable = False
    return out


@cache
def _irregular_start() -> FloatArray:
    """(L,) irregular counts of a column that starts at a level: fewest on any step down to it.

    T13 as the first body of a film tells of thirteen thoracic vertebrae as one below T12 does.
    """
    out: FloatArray = irregularities()[0].min(axis=0)
    out.flags.writeable = False
    return out


@dataclass(frozen=True, slots=True)
class Path:
    """A naming of a film: states from head to foot, and the steps between them.

    `candidates` and `levels` are as long as the column, `edges` (rows of `Evidence.edges`) one
    shorter; `gain` is the weighted sum of its features in nats.
    """

    candidates: tuple[int, ...]
    levels: tuple[int, ...]
    edges: tuple[int, ...]
    gain: float


def best_paths(
    evidence: Evidence,
    weights: FloatArray,
    *,
    bonus: FloatArray | None = None,
    through: Sequence[int] = (),
    window: float = 25.0,
    most: int = 60,
) -> list[Path]:
    """The best path through each state, best first, each path once.

    Parameters
    ----------
    weights : (F,) array
        Of `FEATURES`.
    bonus : (N, L) array or None
        Added to the states; `IMPOSSIBLE` forbids one.
    through : sequence of int
        Candidates that every path must use.
    window : float
        Paths that are so many nats worse than the best are left out.
    most : int
        At most so many paths.
    """
    graph = _graph(evidence, weights, bonus, through)
    down, before = _sweep(graph, upward=False)
    up, after = _sweep(graph, upward=True)
    total = np.where(graph.nodes > IMPOSSIBLE / 2, down + up - graph.nodes, IMPOSSIBLE)
    top = float(total.max(initial=IMPOSSIBLE))
    if top < IMPOSSIBLE / 2:
        return []
    states = np.argwhere(total > max(top - window, IMPOSSIBLE / 2))
    order = np.argsort(-total[states[:, 0], states[:, 1]], kind="stable")
    found: dict[tuple[tuple[int, ...], tuple[int, ...]], Path] = {}
    covered: set[tuple[int, int, int]] = set()
    for i, level in states[order].tolist():
        gain = float(total[i, level])
        key = round(gain * 1e6)
        # states of equal worth lie on one path: it needs to be traced once only
        if (i, level, key) not in covered:
            path = _trace((i, level), before, after, evidence, gain)
            covered.update((a, b, key) for a, b in zip(path.candidates, path.levels, strict=True))
            found.setdefault((path.candidates, path.levels), path)
        if len(found) >= most:
            break
    return sorted(found.values(), key=lambda p: -p.gain)


def path_features(evidence: Evidence, path: Path) -> FloatArray:
    """(F,) features of a path, in the order of `FEATURES`."""
    i, levels, edges = (list(x) for x in (path.candidates, path.levels, path.edges))
    node = evidence.nodes[i, levels].sum(axis=0)
    step = evidence.steps[edges, levels[:-1]].sum(axis=0)
    down = evidence.edges[edges, 2] - 1
    irregular = irregularities()[down, levels[:-1], levels[1:]].sum()
    irregular += _irregular_start()[levels[0]]
    return np.array([*node, *step, evidence.ends[i[-1], levels[-1]], -irregular])


@dataclass(frozen=True, eq=False)
class _Graph:
    """Gains of the states (N, L), of the steps (E, L), of going between levels (3, L, L), of
    starting and of ending (N, L)."""

    nodes: FloatArray
    edges: IntArray
    steps: FloatArray
    moves: FloatArray
    starts: FloatArray
    ends: FloatArray


def _graph(
    evidence: Evidence, weights: FloatArray, bonus: FloatArray | None, through: Sequence[int]
) -> _Graph:
    n_node = evidence.nodes.shape[2]
    n_step = evidence.steps.shape[2]
    nodes = np.where(evidence.possible, evidence.nodes @ weights[:n_node], IMPOSSIBLE)
    if bonus is not None:
        nodes = np.maximum(nodes + bonus, IMPOSSIBLE)
    steps = evidence.steps @ weights[n_node : n_node + n_step]
    n = len(nodes)
    starts = np.tile(-weights[n_node + n_step + 1] * _irregular_start(), (n, 1))
    ends = evidence.ends * weights[n_node + n_step]
    if through:
        upper, lower = evidence.edges[:, 0, None], evidence.edges[:, 1, None]
        stops = np.array(through)
        over = ((upper < stops) * (stops < lower)).sum(axis=1) > 0
        steps = np.where(over.reshape(-1, 1), IMPOSSIBLE, steps)
        starts[min(through) + 1 :] = IMPOSSIBLE
        ends = ends.copy()
        ends[: max(through)] = IMPOSSIBLE
    odd = irregularities()
    moves = np.where(np.isinf(odd), IMPOSSIBLE, -weights[n_node + n_step + 1] * odd)
    return _Graph(nodes, evidence.edges, steps, moves, starts, ends)


def _sweep(graph: _Graph, *, upward: bool) -> tuple[FloatArray, IntArray]:
    """Best gain of what lies above (below) each state, with it, and the state before (after).

    Returns
    -------
    (N, L) array
    (N, L, 2) array
        Edge and level of the next state on the way; edge -1: the path starts (ends) here.
    """
    n, levels = graph.nodes.shape
    best = (graph.ends if upward else graph.starts).copy()
    link = np.full((n, levels, 2), -1, dtype=np.intp)
    here, there = (0, 1) if upward else (1, 0)
    order = np.argsort(graph.edges[:, here], kind="stable")
    bounds = np.searchsorted(graph.edges[order, here], np.arange(n + 1))
    for j in range(n - 1, -1, -1) if upward else range(n):
        e = order[bounds[j] : bounds[j + 1]]
        if len(e):
            other, moves = graph.edges[e, there], graph.moves[graph.edges[e, 2] - 1]
            if upward:
                reach = best[other][:, None, :] + graph.steps[e][:, :, None] + moves
                reach = np.moveaxis(reach, 2, 1)
            else:
                reach = (best[other] + graph.steps[e])[:, :, None] + moves
            flat = reach.reshape(-1, levels)
            choice = flat.argmax(axis=0)
            value = flat[choice, np.arange(levels)]
            better = value > best[j]
            best[j] = np.where(better, value, best[j])
            link[j, better, 0] = e[choice[better] // levels]
            link[j, better, 1] = choice[better] % levels
        best[j] = np.maximum(best[j] + graph.nodes[j], IMPOSSIBLE)
    return best, link


def _trace(
    state: tuple[int, int], before: IntArray, after: IntArray, evidence: Evidence, gain: float
) -> Path:
    states = [state]
    edges: list[int] = []
    i, level = state
    while (e := int(before[i, level, 0])) >= 0:
        i, level = int(evidence.edges[e, 0]), int(before[i, level, 1])
        states.insert(0, (i, level))
        edges.insert(0, e)
    i, level = state
    while (e := int(after[i, level, 0])) >= 0:
        i, level = int(evidence.edges[e, 1]), int(after[i, level, 1])
        states.append((i, level))
        edges.append(e)
    return Path(tuple(s[0] for s in states), tuple(s[1] for s in states), tuple(edges), gain)
