"""Films of a subject as visits: by identity, date and modality."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import PurePosixPath
from typing import Final

from endplate.errors import InputError
from endplate.study.csv_table import parse_date
from endplate.study.reading import Reading
from endplate.study.timepoints import DEFAULT_WINDOWS, Override, Window, find_window

__all__ = ["SubjectFilms", "Visit", "pair_films"]

_NOTHING: Final = Override()


@dataclass(frozen=True, eq=False)
class Visit:
    """One time point of a subject.

    Parameters
    ----------
    name : str
        Of the time point.
    reading : Reading
        The film (or CT) that stands for it.
    taken : date or None
    days : int or None
        After the operation.
    others : tuple of Reading
        Further films of the same time point, which are not used.
    """

    name: str
    reading: Reading
    taken: date | None = None
    days: int | None = None
    others: tuple[Reading, ...] = ()


@dataclass(frozen=True, eq=False)
class SubjectFilms:
    """The visits of one subject in the order of time, and films that belong to none.

    `left_out` pairs a reading with the reason.
    """

    subject: str
    operation: date | None
    visits: tuple[Visit, ...]
    left_out: tuple[tuple[Reading, str], ...] = ()


@dataclass(frozen=True, eq=False)
class _Dated:
    reading: Reading
    taken: date | None
    name: str
    days: int | None


def pair_films(
    readings: Sequence[Reading],
    operations: Mapping[str, date],
    windows: Sequence[Window] = DEFAULT_WINDOWS,
    overrides: Mapping[str, Override] | None = None,
    subject: str | None = None,
) -> tuple[SubjectFilms, ...]:
    """Sort readings into subjects and visits.

    Parameters
    ----------
    readings : sequence of Reading
        Of one or many subjects. Of several readings of one film the last one made is taken.
    operations : mapping
        Date of the operation by subject.
    windows : sequence of Window
        Time points in their order.
    overrides : mapping, optional
        By file name, hash or reading id: see `read_timepoints`.
    subject : str, optional
        The one subject that all films are of, whatever they say.

    Raises
    ------
    InputError
        If a film names no subject, or one file name of `overrides` is that of several films.
    """
    grouped: dict[str, list[Reading]] = defaultdict(list)
    said = overrides or {}
    last = _last_readings(readings)
    _check_names(last, said)
    for reading in last:
        override = _override(reading, said)
        name = override.subject or subject or reading.source.patient_id
        if not name:
            raise InputError(
                f"{reading.source.path}: names no subject; score films with --keep-identity,"
                " or give a table of time points"
            )
        if override.position:
            source = replace(reading.source, position=override.position)
            reading = replace(reading, source=source)
        grouped[name].append(reading)
    return tuple(
        _subject(name, grouped[name], operations.get(name), windows, said)
        for name in sorted(grouped)
    )


def _last_readings(readings: Sequence[Reading]) -> list[Reading]:
    """The latest reading of each film; an edit counts as later than its parent."""
    last: dict[str, Reading] = {}
    for reading in readings:
        key = reading.source.sha256 or f"{reading.source.patient_id}/{reading.source.path}"
        before = last.get(key)
        newer = before is None or reading.parent == before.id or reading.created > before.created
        if newer and (before is None or before.parent != reading.id):
            last[key] = reading
    return list(last.values())


def _override(reading: Reading, overrides: Mapping[str, Override]) -> Override:
    key = _row_of(reading, overrides)
    return overrides[key] if key else _NOTHING


def _row_of(reading: Reading, overrides: Mapping[str, Override]) -> str:
    """The key by which a film is spoken of, the most exact one; empty if by none."""
    path = reading.source.path.replace("\\", "/")
    keys = (reading.id, reading.source.sha256, path, PurePosixPath(path).name)
    return next((k for k in keys if k and k in overrides), "")


def _check_names(readings: Sequence[Reading], overrides: Mapping[str, Override]) -> None:
    """One row of a table is about one film."""
    first: dict[str, Reading] = {}
    for reading in readings:
        key = _row_of(reading, overrides)
        if key and first.setdefault(key, reading) is not reading:
            raise InputError(
                f"the table's row {key} is about two films, {first[key].source.path} and"
                f" {reading.source.path}: give their paths, hashes or reading ids instead"
            )


def _subject(
    name: str,
    readings: Sequence[Reading],
    operation: date | None,
    windows: Sequence[Window],
    overrides: Mapping[str, Override],
) -> SubjectFilms:
    dated: dict[str, list[_Dated]] = defaultdict(list)
    left_out: list[tuple[Reading, str]] = []
    for reading in readings:
        if reading.quality.status == "rejected":
            left_out.append((reading, "rejected by the quality gate"))
            continue
        film, reason = _dated(reading, operation, windows, _override(reading, overrides))
        if film is None:
            left_out.append((reading, reason))
        else:
            dated[film.name].append(film)
    nominal = {w.name: w.nominal for w in windows}
    visits = [_visit(films, nominal.get(key)) for key, films in dated.items()]
    order = {w.name: i for i, w in enumerate(windows)}
    visits.sort(key=lambda v: (order.get(v.name, len(order)), v.days or 0, v.name))
    return SubjectFilms(name, operation, tuple(visits), tuple(left_out))


def _dated(
    reading: Reading, operation: date | None, windows: Sequence[Window], override: Override
) -> tuple[_Dated | None, str]:
    taken = override.taken
    if taken is None and reading.source.study_date:
        taken = parse_date(reading.source.study_date, f"{reading.source.path}: study date")
    days = None if taken is None or operation is None else (taken - operation).days
    if override.time_point:
        return _Dated(reading, taken, override.time_point, days), ""
    if taken is None:
        return None, "has no date"
    if days is None:
        return None, "the date of the operation is not known"
    seen = any(v.cement or v.hardware for v in reading.vertebrae)
    window = find_window(days, windows, treated=seen if days == 0 else None)
    if window is None:
        return None, f"day {days} after the operation belongs to no time point"
    return _Dated(reading, taken, window.name, days), ""


def _visit(films: Sequence[_Dated], nominal: float | None) -> Visit:
    """Radiographs before CT, accepted before flagged, then the nearest to the day that is due."""

    def rank(film: _Dated) -> tuple[bool, bool, float]:
        late = abs((film.days or 0) - (nominal or 0.0)) if film.days is not None else 0.0
        reading = film.reading
        return (reading.source.modality == "CT", reading.quality.status != "accepted", late)

    best, *rest = sorted(films, key=rank)
    return Visit(best.name, best.reading, best.taken, best.days, tuple(f.reading for f in rest))
