"""The same figures by level, film quality, hardware, fracture, view and sacrum."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from endplate.train.accuracy import JUDGED_LEVELS, BodyResult, FilmResult
from endplate.train.report.statistics import HEADLINE, Piece, Statistic, figures, select

__all__ = ["BREAKDOWNS", "COLUMNS", "FRACTURED_BELOW", "SHORT", "breakdowns"]

#: A body counts as fractured if the smaller of Ha/Hp and Hm/Hp is annotated below this.
FRACTURED_BELOW: Final = 0.8

Label = Callable[[FilmResult, BodyResult], str]


def _fractured(film: FilmResult, body: BodyResult) -> str:
    if np.isnan(body.least_ratio):
        return ""
    return "fractured" if body.least_ratio < FRACTURED_BELOW else "not fractured"


def _flags(film: FilmResult, body: BodyResult) -> str:
    return film.reading.quality.status


def _hardware(film: FilmResult, body: BodyResult) -> str:
    if body.level in film.truth.metal_levels:
        return "metal in the body"
    return "metal on the film" if film.truth.hardware else "no metal"


def _extent(film: FilmResult, body: BodyResult) -> str:
    return film.truth.extent or film.truth.group.replace("_", " ")


#: Title -> group of a body and its film; empty: left out.
BREAKDOWNS: Final[Mapping[str, Label]] = {
    "level": lambda film, body: body.level,
    "quality of the film, as the annotator says": lambda film, body: film.truth.quality,
    "verdict of the quality gate": _flags,
    "hardware": _hardware,
    f"fracture (smaller of Ha/Hp and Hm/Hp below {FRACTURED_BELOW})": _fractured,
    "part of the spine": _extent,
    "sacrum": lambda film, body: "visible" if film.truth.sacrum_visible else "not visible",
}

_ORDER: Final = (*JUDGED_LEVELS, "good", "fair", "poor", "accepted", "flagged", "rejected")

#: Figures of a row, by key -> heading of the column.
SHORT: Final[Mapping[str, str]] = {
    "found": "found, %",
    "point_median": "median, %",
    "point_p95": "P95, %",
    "cover_points": "in interval, %",
    "vertebral_kyphosis_deg_mae": "VK MAE",
    "vertebral_kyphosis_deg_bias": "VK bias",
    "cover_vertebral_kyphosis_deg": "VK in interval, %",
    "regional_kyphosis_deg_mae": "RK MAE",
    "Ha_Hp_mae": "Ha/Hp MAE",
    "max_height_loss_pct_mae": "loss MAE",
}
COLUMNS: Final[tuple[Statistic, ...]] = tuple(s for s in HEADLINE if s.key in SHORT)


def breakdowns(whole: Sequence[Piece]) -> dict[str, list[dict[str, Any]]]:
    """Rows of each breakdown: name, films, bodies and the figures of `COLUMNS`."""
    out: dict[str, list[dict[str, Any]]] = {}
    for title, label in BREAKDOWNS.items():
        names = {label(p.film, b) for p in whole for b in p.bodies} - {""}
        if len(names) < 2:
            continue
        out[title] = [_row(name, whole, label) for name in sorted(names, key=_rank)]
    return out


def _rank(name: str) -> tuple[int, str]:
    return (_ORDER.index(name) if name in _ORDER else len(_ORDER), name)


def _row(name: str, whole: Sequence[Piece], label: Label) -> dict[str, Any]:
    chosen = select(whole, lambda film, body: label(film, body) == name)
    return {
        "name": name,
        "films": len(chosen),
        "bodies": sum(len(p.bodies) for p in chosen),
        "figures": figures(COLUMNS, chosen, interval=False),
    }
