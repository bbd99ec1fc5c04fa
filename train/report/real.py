"""Figures of a set of judged films: headline, parts, coverage, names, gate, a second reader."""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from endplate.study.reading import Reading
from endplate.train.accuracy import MEASURES, FilmResult
from endplate.train.report.breakdown import breakdowns
from endplate.train.report.statistics import (
    HEADLINE,
    Piece,
    coverage_of,
    figure,
    figures,
    is_uncertain,
    measure_rows,
    pieces,
    select,
)

__all__ = ["COVERED", "compare_readers", "film_figures", "gate_figures", "naming_bins"]

#: What has 90 % intervals -> how it is called.
COVERED: Final[Mapping[str, str]] = {
    "points": "coordinates of the points",
    "vertebral_kyphosis_deg": "vertebral kyphosis",
    "regional_kyphosis_deg": "regional kyphosis",
    "gardner_mono_above_deg": "Gardner angle",
    "Ha_Hp": "Ha/Hp",
    "Hm_Hp": "Hm/Hp",
    "loss_ant_pct": "anterior height loss",
    "loss_mid_pct": "middle height loss",
    "loss_post_pct": "posterior height loss",
    "max_height_loss_pct": "largest height loss",
}
_NAMING_EDGES: Final = (0.0, 0.5, 0.8, 0.9, 0.97, 1.0)
_COMPARED: Final = (
    "point_median",
    "point_p95",
    "vertebral_kyphosis_deg_mae",
    "vertebral_kyphosis_deg_bias",
    "regional_kyphosis_deg_mae",
    "Ha_Hp_mae",
    "max_height_loss_pct_mae",
)

assert set(COVERED) == {"points", *MEASURES}


def film_figures(groups: Mapping[str, Sequence[FilmResult]]) -> dict[str, Any]:
    """Everything that is said of some sets of films, as JSON: group by group, then together."""
    together = [r for results in groups.values() for r in results]
    named = dict(groups) if len(groups) < 2 else {**groups, "all": together}
    whole = pieces(together)
    return {
        "groups": {
            name: {
                "films": len(results),
                "bodies": sum(len(p.bodies) for p in pieces(results)),
                "figures": figures(HEADLINE, pieces(results)),
            }
            for name, results in named.items()
        },
        "parts": breakdowns(whole),
        "coverage": {
            name: {key: figure(coverage_of(key, label), pieces(results))
                   for key, label in COVERED.items()}
            for name, results in named.items()
        },
        "slope": {name: _slope(pieces(results)) for name, results in named.items()},
        "naming": naming_bins(together),
        "flags": _flags(together),
    }  # fmt: skip


def _slope(chosen: Sequence[Piece]) -> dict[str, float | int] | None:
    """Of vertebral kyphosis as read on that annotated: below 1, great angles are read too small."""
    rows = np.concatenate(
        [measure_rows(p, "vertebral_kyphosis_deg") for p in chosen] or [np.empty((0, 4))]
    )
    if len(rows) < 10:
        return None
    slope = float(np.polyfit(rows[:, 1], rows[:, 0], 1)[0])
    return {"value": round(slope, 3), "n": len(rows)}


def naming_bins(results: Sequence[FilmResult]) -> list[dict[str, Any]]:
    """Films by the probability that the reading gives to its naming, and how many are right."""
    rows = [(_stated(r), r.named_right) for r in results if r.named_right is not None]
    out = []
    for low, high in itertools.pairwise(_NAMING_EDGES):
        last = high == _NAMING_EDGES[-1]
        own = [(p, bool(right)) for p, right in rows if low <= p < high or (last and p == high)]
        if own:
            out.append(
                {
                    "from": low,
                    "to": high,
                    "films": len(own),
                    "stated": round(float(np.mean([p for p, _ in own])), 3),
                    "right": sum(right for _, right in own),
                }
            )
    return out


def _stated(result: FilmResult) -> float:
    """Probability that a reading gives to all its names together."""
    if result.reading.naming is not None:
        return result.reading.naming.probability
    return min((v.level_probability for v in result.reading.vertebrae), default=np.nan)


def _flags(results: Sequence[FilmResult]) -> list[dict[str, Any]]:
    """Reasons of the gate, how many films have each, and how good the films with it are."""
    counts = Counter(code for r in results for code in {q.code for q in r.reading.quality.reasons})
    median = next(s for s in HEADLINE if s.key == "point_median")
    out = []
    for code, films in sorted(counts.items(), key=lambda x: (-x[1], x[0])):
        own = [r for r in results if code in {q.code for q in r.reading.quality.reasons}]
        out.append(
            {
                "code": code,
                "films": films,
                "point_median": figure(median, pieces(own), interval=False),
            }
        )
    return out


def gate_figures(
    negatives: Mapping[str, Sequence[Reading]], laterals: Sequence[FilmResult]
) -> dict[str, Any]:
    """Films to be rejected and how many were, and laterals rejected or raised as uncertain."""
    out: dict[str, Any] = {
        name: {
            "films": len(readings),
            "rejected": sum(r.quality.status == "rejected" for r in readings),
        }
        for name, readings in negatives.items()
    }
    out["laterals"] = {
        "films": len(laterals),
        "rejected": sum(r.reading.quality.status == "rejected" for r in laterals),
        "flagged": sum(r.reading.quality.status == "flagged" for r in laterals),
        "level_uncertain": sum(is_uncertain(r) for r in laterals),
    }
    return out


def compare_readers(ours: Sequence[FilmResult], other: Sequence[FilmResult]) -> dict[str, Any]:
    """Two readers on the bodies that both found, each against the annotation."""
    theirs = {(p.film.truth.name, b.level) for p in pieces(other) for b in p.bodies if b.found}
    own = {(p.film.truth.name, b.level) for p in pieces(ours) for b in p.bodies if b.found}
    both = theirs & own
    statistics = [s for s in HEADLINE if s.key in _COMPARED]
    out: dict[str, Any] = {
        "films": len({name for name, _ in both}),
        "bodies": len(both),
        "found_by_other": len(theirs),
        "found_by_ours_of_those": len(both),
    }
    for key, results in (("ours", ours), ("other", other)):
        chosen = select(pieces(results), lambda film, b: (film.truth.name, b.level) in both)
        right = [b.named == b.level for p in chosen for b in p.bodies]
        out[key] = {
            "figures": figures(statistics, chosen),
            "same_level": {"right": sum(right), "n": len(right)},
        }
    return out
