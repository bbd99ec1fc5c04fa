"""Figures of accuracy with a 95 % interval by bootstrap over films.

The points of one film are not independent, so whole films are drawn, with all that belongs to
them; percentiles of 1000 draws.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np

from endplate.geometry.landmarks import FloatArray
from endplate.train.accuracy import JUDGED_LEVELS, BodyResult, FilmResult

__all__ = [
    "HEADLINE",
    "Piece",
    "Statistic",
    "bootstrap",
    "coverage_of",
    "figure",
    "figures",
    "is_uncertain",
    "mean",
    "measure_rows",
    "pieces",
    "scores",
    "select",
]

DRAWS = 1000
_Z90: Final = 1.6448536269514722


@dataclass(frozen=True, eq=False)
class Piece:
    """A film with those of its bodies that are looked at."""

    film: FilmResult
    bodies: tuple[BodyResult, ...]


def pieces(results: Sequence[FilmResult]) -> list[Piece]:
    """Films with all bodies from T10 to L5."""
    return [Piece(r, tuple(b for b in r.bodies if b.level in JUDGED_LEVELS)) for r in results]


def select(whole: Sequence[Piece], keep: Callable[[FilmResult, BodyResult], bool]) -> list[Piece]:
    """The bodies that `keep` wants, with their films; films without any are left out."""
    chosen = [Piece(p.film, tuple(b for b in p.bodies if keep(p.film, b))) for p in whole]
    return [p for p in chosen if p.bodies]


@dataclass(frozen=True, eq=False)
class Statistic:
    """One figure: what each film contributes, and how that becomes a number.

    `values` gives one array for a film, `reduce` a number for the joined arrays of all films.
    `target` is what is wanted, in words; `digits` the decimals shown.
    """

    key: str
    label: str
    values: Callable[[Piece], FloatArray]
    reduce: Callable[[FloatArray], float]
    digits: int = 2
    target: str = ""


def quantile(values: FloatArray, q: float) -> float:
    """The value at rank floor(q n), as the project's judge takes it."""
    ordered = np.sort(values)
    return float(ordered[min(len(ordered) - 1, int(q * len(ordered)))])


def mean(values: FloatArray) -> float:
    """The mean, which `bootstrap` draws without joining the values of films."""
    return float(values.mean())


def bootstrap(
    groups: Sequence[FloatArray],
    reduce: Callable[[FloatArray], float],
) -> tuple[float, float]:
    """95 % interval of a figure by drawing whole groups; NaN with fewer than five groups."""
    filled = [g for g in groups if len(g)]
    if len(filled) < 5:
        return math.nan, math.nan
    rng = np.random.default_rng(0)
    chosen = rng.integers(0, len(filled), (DRAWS, len(filled)))
    if reduce is mean:
        sums, sizes = (np.array([f(g) for g in filled]) for f in (np.sum, np.size))
        drawn = list(sums[chosen].sum(axis=1) / sizes[chosen].sum(axis=1))
    else:
        drawn = [reduce(np.concatenate([filled[i] for i in row])) for row in chosen]
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def figure(statistic: Statistic, chosen: Sequence[Piece], *, interval: bool = True) -> Any:
    """``{"value", "low", "high", "n", "films"}``; None where there is nothing to judge."""
    groups = [statistic.values(p) for p in chosen]
    joined = np.concatenate(groups) if groups else np.array([])
    if not joined.size:
        return None
    low, high = bootstrap(groups, statistic.reduce) if interval else (math.nan, math.nan)
    out = {
        "value": round(statistic.reduce(joined), 4),
        "low": None if math.isnan(low) else round(low, 4),
        "high": None if math.isnan(high) else round(high, 4),
        "n": int(joined.size),
        "films": sum(bool(len(g)) for g in groups),
    }
    return out if interval else {k: out[k] for k in ("value", "n", "films")}


def figures(
    statistics: Sequence[Statistic], chosen: Sequence[Piece], *, interval: bool = True
) -> dict[str, Any]:
    """Figures by key."""
    return {s.key: figure(s, chosen, interval=interval) for s in statistics}


def _found(piece: Piece) -> FloatArray:
    return 100.0 * np.array([b.found for b in piece.bodies], dtype=float)


def _unmatched(piece: Piece) -> FloatArray:
    return np.array([piece.film.unmatched], dtype=float)


def _errors(piece: Piece) -> FloatArray:
    errors = np.concatenate([b.errors for b in piece.bodies] or [np.array([])])
    kept: FloatArray = errors[~np.isnan(errors)]
    return kept


def measure_rows(piece: Piece, name: str) -> FloatArray:
    """(N, 4): read, annotated, low and high of the 90 % interval (NaN: none)."""
    rows = [b.measures[name] for b in piece.bodies if name in b.measures]
    array = np.array(rows, dtype=np.float64).reshape(-1, 4)
    kept: FloatArray = array[~np.isnan(array[:, :2]).any(axis=1)]
    return kept


def _difference(piece: Piece, name: str) -> FloatArray:
    rows = measure_rows(piece, name)
    out: FloatArray = rows[:, 0] - rows[:, 1]
    return out


def _absolute(piece: Piece, name: str) -> FloatArray:
    out: FloatArray = np.abs(_difference(piece, name))
    return out


def scores(piece: Piece, name: str) -> FloatArray:
    """Errors over their standard error: of a measure, or of all point coordinates (`points`)."""
    if name == "points":
        found = np.concatenate([b.scores.ravel() for b in piece.bodies] or [np.array([])])
    else:
        rows = measure_rows(piece, name)
        se = (rows[:, 3] - rows[:, 2]) / (2 * _Z90)
        with np.errstate(divide="ignore", invalid="ignore"):
            found = (rows[:, 0] - rows[:, 1]) / se
    kept: FloatArray = found[np.isfinite(found)]
    return kept


def _covered(piece: Piece, name: str) -> FloatArray:
    inside = np.abs(scores(piece, name)) <= _Z90 + 1e-9
    out: FloatArray = 100.0 * inside.astype(np.float64)
    return out


def coverage_of(name: str, label: str) -> Statistic:
    """Share of 90 % intervals that hold, of a measure or of ``points``."""
    return Statistic(f"cover_{name}", label, partial(_covered, name=name), mean, 1, "88 to 92")


def is_uncertain(film: FilmResult) -> bool:
    """Whether the reading says that the names may be off."""
    return any(r.code == "level_uncertain" for r in film.reading.quality.reasons)


def _named(piece: Piece, visible: bool) -> FloatArray:
    film = piece.film
    if film.named_right is None or film.truth.sacrum_visible is not visible:
        return np.array([])
    return np.array([100.0 * film.named_right])


def _raised(piece: Piece, right: bool) -> FloatArray:
    film = piece.film
    if film.named_right is not right:
        return np.array([])
    return np.array([100.0 * is_uncertain(film)])


def _rejected(piece: Piece) -> FloatArray:
    return np.array([100.0 * (piece.film.reading.quality.status == "rejected")])


def _of_measure(
    name: str, label: str, unit: str, digits: int, targets: tuple[str, str] = ("", "")
) -> tuple[Statistic, ...]:
    off, difference = partial(_absolute, name=name), partial(_difference, name=name)
    cover = coverage_of(name, f"{label}: 90 % intervals that hold, %")
    return (
        Statistic(f"{name}_mae", f"{label}: MAE, {unit}", off, mean, digits, targets[0]),
        Statistic(f"{name}_bias", f"{label}: bias, {unit}", difference, mean, digits, targets[1]),
        cover,
    )


#: What is said of every set of films, in the order of the table.
HEADLINE: Final[tuple[Statistic, ...]] = (
    Statistic("found", "bodies found, %", _found, mean, 1, ">= 98"),
    Statistic("unmatched", "unmatched predictions per film", _unmatched, mean, 3, "<= 0.05"),
    Statistic(
        "point_median",
        "point error, median, % of depth",
        _errors,
        partial(quantile, q=0.5),
        2,
        "<= 2.0 (whole spine <= 3)",
    ),
    Statistic(
        "point_p95",
        "point error, 95th percentile, % of depth",
        _errors,
        partial(quantile, q=0.95),
        2,
        "<= 6.5 (whole spine <= 9)",
    ),
    coverage_of("points", "points: 90 % intervals that hold, %"),
    *_of_measure(
        "vertebral_kyphosis_deg",
        "vertebral kyphosis",
        "degrees",
        2,
        ("<= 2.0", "within 0.5"),
    ),
    *_of_measure(
        "regional_kyphosis_deg",
        "regional kyphosis",
        "degrees",
        2,
        ("<= 2.0", "within 0.5"),
    ),
    *_of_measure("Ha_Hp", "Ha/Hp", "ratio", 3, ("<= 0.035", "")),
    *_of_measure("max_height_loss_pct", "largest height loss", "points", 2, ("<= 4", "")),
    Statistic(
        "named_visible",
        "sacrum visible: films with every found level right, %",
        partial(_named, visible=True),
        mean,
        1,
        ">= 95",
    ),
    Statistic(
        "named_hidden",
        "sacrum not visible: films with every found level right, %",
        partial(_named, visible=False),
        mean,
        1,
    ),
    Statistic(
        "wrong_raised",
        "wrong namings raised as uncertain, %",
        partial(_raised, right=False),
        mean,
        1,
        ">= 90",
    ),
    Statistic(
        "right_raised",
        "right namings raised as uncertain, %",
        partial(_raised, right=True),
        mean,
        1,
    ),
    Statistic("rejected", "laterals wrongly rejected, %", _rejected, mean, 1, "<= 2"),
)
