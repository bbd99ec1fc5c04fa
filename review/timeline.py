"""The films of one subject in the order of time, with the curve of a measure."""

from dataclasses import dataclass
from typing import Any, Final

from endplate.geometry.levels import LEVELS
from endplate.review.editing import marks_of, measurements_to_wire
from endplate.review.films import FilmShelf
from endplate.review.library import FilmEntry, Library
from endplate.study.reading import Reading

__all__ = ["MEASURES", "subject_films", "timeline"]

#: Measures whose course is shown.
MEASURES: Final = (
    "vertebral_kyphosis_deg",
    "regional_kyphosis_deg",
    "gardner_mono_above_deg",
    "max_height_loss_pct",
    "loss_ant_pct",
    "Ha_Hp",
)
_MOST_FILMS: Final = 12


@dataclass(frozen=True, eq=False)
class _Visit:
    entry: FilmEntry
    reading: Reading


def subject_films(library: Library, key: str) -> list[FilmEntry]:
    """Films of the subject of one film, that film alone if it names no subject."""
    own = library.entry(key)
    if own is None:
        return []
    subject = own.current.values["subject"]
    if not subject:
        return [own]
    same = [e for e in library.entries() if e.current.values["subject"] == subject]
    same.sort(key=lambda e: (e.current.values["date"], e.current.values["path"]))
    return same[:_MOST_FILMS]


def timeline(library: Library, shelf: FilmShelf, key: str) -> dict[str, Any]:
    """What the follow-up view shows, as plain values.

    Raises
    ------
    InputError
        If a reading cannot be read.
    """
    visits = [_Visit(e, library.reading(e.current)) for e in subject_films(library, key)]
    return {
        "subject": visits[0].reading.source.patient_id if visits else "",
        "levels": _levels(visits),
        "index_level": _index(visits),
        "measures": list(MEASURES),
        "films": [_film(v, shelf) for v in visits],
    }


def _film(visit: _Visit, shelf: FilmShelf) -> dict[str, Any]:
    source = visit.reading.source
    wanted = [m for m in visit.reading.measurements if m.name in MEASURES]
    return {
        **visit.entry.row(),
        "rows": source.rows,
        "columns": source.columns,
        "spacing_mm": visit.reading.calibration.spacing_mm,
        "found": shelf.is_there(visit.entry),
        "treated": any(v.cement or v.hardware for v in visit.reading.vertebrae),
        "vertebrae": [
            {
                "level": v.level,
                "points": [None if p[0] != p[0] else [float(p[0]), float(p[1])] for p in v.points],
                "cement": v.cement,
            }
            for v in visit.reading.vertebrae
        ],
        "measurements": measurements_to_wire(wanted),
    }


def _levels(visits: list[_Visit]) -> list[str]:
    seen = {v.level for visit in visits for v in visit.reading.vertebrae}
    return [x for x in LEVELS if x in seen]


def _index(visits: list[_Visit]) -> str:
    """The level that a reader named, else a cemented one, else the one that lost most height."""
    for visit in visits[::-1]:
        index = marks_of(visit.reading)[1]
        if index:
            return index
    for visit in visits:
        for vertebra in visit.reading.vertebrae:
            if vertebra.cement:
                return vertebra.level
    losses = [
        (m.value, m.level)
        for visit in visits
        for m in visit.reading.measurements
        if m.name == "max_height_loss_pct" and m.value == m.value
    ]
    return max(losses)[1] if losses else ""
