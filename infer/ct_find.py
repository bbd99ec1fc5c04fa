"""Vertebrae on the slabs of a CT: found at several scales, named with the help of the ribs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from endplate.geometry.landmarks import FloatArray
from endplate.infer.session import Network
from endplate.models.decode import CLASSES, Candidate, FilmScores, decode_film, decode_maps
from endplate.models.naming import NamedColumn, NamingConfig, choose_naming, order_down
from endplate.models.naming_evidence import IMPOSSIBLE, gather
from endplate.models.naming_paths import best_paths
from endplate.models.resample import ImagePyramid, detector_input

__all__ = ["find_candidates", "name_on_ct", "rib_evidence"]

#: mm per pixel of the windows: bodies of 19 to 35 mm are seen as deep as those of films.
SCALES: Final = (0.5, 0.6, 0.72, 0.86, 1.03)
#: Depth in pixels of a window at which bodies are seen best, and how fast trust falls off (the
#: standard deviation of its logarithm).
_BEST_DEPTH: Final = 36.0
_DEPTH_SD: Final = 0.35
#: What is seen at less than this trust starts no body.
_LEAST_TRUST: Final = 0.3
_WINDOW_MULTIPLE: Final = 64
#: Least score at one scale, and over all of them.
_LEAST_SEEN: Final = 0.1
_LEAST: Final = 0.15
_MOST: Final = 45
#: Candidates nearer than this many depths are one body.
_SAME_BODY: Final = 0.45
#: Nats for a body, or a sacral endplate, on the centre line: films show much that may be one, but
#: here the column is known to pass. So many that bodies are not left out because their names are
#: in doubt, and fewer than two bodies that overlap lose.
_ON_LINE: Final = 4.0
#: Nats for a level that the user gives.
_CERTAIN: Final = 20.0

#: Bone that reaches farther than this to the side, mm, is a rib: the transverse processes of
#: lumbar vertebrae span at most about 100 mm from tip to tip.
_RIB: Final = 58.0
#: Probability of being seen with ribs on both sides, and on none, by level. Twelfth ribs are
#: short or missing now and then, lumbar ribs rare; beside L5 lie the sacrum and the ilium, and
#: beside C7 the first rib, so little is concluded there; above it there is none. Round numbers
#: from anatomy, not fitted.
_RIBS: Final[Mapping[str, tuple[float, float]]] = {
    **dict.fromkeys(CLASSES, (0.40, 0.40)),
    **{f"T{i}": (0.90, 0.05) for i in range(1, 12)},
    "T12": (0.75, 0.15),
    "T13": (0.75, 0.15),
    "L1": (0.05, 0.90),
    **{f"L{i}": (0.03, 0.92) for i in range(2, 5)},
    "above C7": (0.10, 0.75),
}


@dataclass(frozen=True, eq=False)
class _Seen:
    """A candidate at one scale, and how far its depth there can be trusted."""

    scale: int
    trust: float
    depth: float
    candidate: Candidate


def find_candidates(
    slabs: Sequence[ImagePyramid], spacing: float, network: Network
) -> tuple[list[Candidate], FilmScores]:
    """Find the bodies on slabs of one sheet.

    The sheet is looked at in windows of several scales, for bodies at the neck are half as deep
    as lumbar ones; at each scale the maps of all slabs are averaged. What lies at one place is
    averaged over the scales, each weighed by how well a body of that depth is seen there.

    Parameters
    ----------
    slabs : sequence of ImagePyramid
        Pictures of the same sheet, its front to the right: of other thicknesses or windows.
    spacing : float
        mm per pixel.

    Returns
    -------
    candidates : list of Candidate
        Best first, in pixels of the slabs.
    scores : FilmScores
        Of all windows together.
    """
    seen: list[_Seen] = []
    films = []
    for k, scale in enumerate(SCALES):
        step = scale / spacing
        to_slab, size = _window(slabs[0].shape, step)
        outputs = [network.run(detector_input(s.warp(to_slab, size))[None]) for s in slabs]
        films += [film[0] for _, film in outputs]
        maps = np.mean([m[0] for m, _ in outputs], axis=0)
        for candidate in decode_maps(maps, to_slab, threshold=_LEAST_SEEN):
            depth = candidate.depth
            seen.append(_Seen(k, _trust(depth / step), depth, _facing_right(candidate)))
    return _merged(seen, spacing), decode_film(np.mean(films, axis=0))


def rib_evidence(reach: FloatArray) -> FloatArray:
    """(len(CLASSES),) log likelihood of each level, from how far bone reaches to either side.

    The likeliest level has 0: ribs tell levels apart, not bodies from what is none.

    Parameters
    ----------
    reach : (2,) array
        As from `lateral_reach`; where a side is unknown, nothing is concluded.
    """
    if np.isnan(reach).any():
        return np.zeros(len(CLASSES))
    ribs = int((reach >= _RIB).sum())
    seen = np.array([_RIBS[level] for level in CLASSES])
    likelihood = (seen[:, 1], 1 - seen.sum(axis=1), seen[:, 0])[ribs]
    out: FloatArray = np.log(likelihood / likelihood.max())
    return out


def name_on_ct(
    candidates: Sequence[Candidate],
    config: NamingConfig,
    shape: tuple[int, int],
    ribs: Callable[[Candidate], FloatArray],
    anchors: Mapping[int, str],
) -> NamedColumn | None:
    """Choose the column among the candidates and name it, as on films and by the ribs.

    Parameters
    ----------
    candidates : sequence of Candidate
        Bodies on the centre line, and sacral endplates.
    shape : (rows, columns)
        Of the slab.
    ribs : callable
        (len(CLASSES),) log likelihood of each level of a candidate, as from `rib_evidence`.
    anchors : mapping
        Index of a candidate -> level that the user says it has.
    """
    if not candidates:
        return None
    down = np.array([0.0, 1.0])
    order = order_down(candidates, down)
    ordered = [candidates[i] for i in order]
    fixed = {order.index(i): CLASSES.index(level) for i, level in anchors.items()}
    bonus = np.stack([_of_body(c, ribs, config.trust) for c in ordered])
    for i, level in fixed.items():
        bonus[i] = IMPOSSIBLE
        bonus[i, level] = _CERTAIN
    evidence = gather(ordered, down, shape)
    paths = best_paths(evidence, config.weights, bonus=bonus, through=sorted(fixed))
    return choose_naming(ordered, paths, config, whole=bool(fixed))


def _of_body(
    candidate: Candidate, ribs: Callable[[Candidate], FloatArray], trust: float
) -> FloatArray:
    """(len(CLASSES),) nats of each level; the ribs, a witness of their own, count in full."""
    if candidate.sacrum:
        return np.full(len(CLASSES), _ON_LINE)
    out: FloatArray = _ON_LINE + trust * ribs(candidate)
    return out


def _window(shape: tuple[int, int], step: float) -> tuple[FloatArray, tuple[int, int]]:
    """Map from a window of the whole slab to the slab, `step` pixels each, and its size."""
    rows, columns = (int(np.ceil(n / step / _WINDOW_MULTIPLE)) * _WINDOW_MULTIPLE for n in shape)
    offset = 0.5 * step - 0.5
    return np.array([[step, 0.0, offset], [0.0, step, offset]]), (rows, columns)


def _facing_right(candidate: Candidate) -> Candidate:
    """A candidate with its front to the right, where that of every slab is."""
    if candidate.points[0, 0] >= candidate.points[2, 0]:
        return candidate
    return replace(candidate, points=candidate.points[[2, 1, 0, 5, 4, 3]])


def _trust(depth: float) -> float:
    """How far a body of a depth in window pixels is believed, 0 to 1."""
    return float(np.exp(-0.5 * (np.log(depth / _BEST_DEPTH) / _DEPTH_SD) ** 2))


def _merged(seen: Sequence[_Seen], spacing: float) -> list[Candidate]:
    """One candidate for each place, best first."""
    order = sorted(seen, key=lambda s: -s.trust * s.candidate.score)
    centres = np.array([s.candidate.centre for s in order]).reshape(-1, 2)
    depths = np.array([s.depth for s in order])
    sacra = np.array([s.candidate.sacrum for s in order], dtype=bool)
    free = np.ones(len(order), dtype=bool)
    out = []
    for i, best in enumerate(order):
        if best.trust < _LEAST_TRUST or not free[i]:
            continue
        apart = np.hypot(*(centres - centres[i]).T)
        same = free & (sacra == sacra[i]) & (apart < _SAME_BODY * np.minimum(depths, depths[i]))
        free &= ~same
        free[i] = same[i] = False
        body = _average(best, [order[j] for j in np.flatnonzero(same)], spacing)
        if body.score > _LEAST:
            out.append(body)
    return sorted(out, key=lambda c: -c.score)[:_MOST]


def _average(best: _Seen, others: Sequence[_Seen], spacing: float) -> Candidate:
    """Mean over the scales, the nearest candidate of each; a scale that shows none counts as 0."""
    chosen = {best.scale: best.candidate}
    for scale in range(len(SCALES)):
        there = [s.candidate for s in others if s.scale == scale]
        if scale != best.scale and there:
            chosen[scale] = min(
                there, key=lambda c: float(np.hypot(*(c.centre - best.candidate.centre)))
            )
    trust = np.array([_trust(best.depth * spacing / mm) for mm in SCALES])
    part = {k: float(trust[k]) * c.score for k, c in chosen.items()}
    total = sum(part.values())
    share = {k: p / total for k, p in part.items()}
    levels = np.sum([share[k] * c.log_levels for k, c in chosen.items()], axis=0)
    return Candidate(
        np.sum([share[k] * c.centre for k, c in chosen.items()], axis=0),
        np.sum([share[k] * c.points for k, c in chosen.items()], axis=0),
        total / float(trust.sum()),
        levels - np.log(np.exp(levels).sum()),
        best.candidate.sacrum,
    )
