"""Several readers of the same images, as one table of matched values."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import PurePosixPath

import numpy as np

from endplate.errors import InputError
from endplate.geometry.landmarks import FloatArray
from endplate.geometry.levels import LEVELS, POINTS
from endplate.study.reading import Reading

__all__ = [
    "MatchedMeasure",
    "PointDistances",
    "ReadValue",
    "match_values",
    "point_distances",
    "reading_values",
    "split_repeats",
]


@dataclass(frozen=True, slots=True)
class ReadValue:
    """One number that one reader had from one image.

    Parameters
    ----------
    reader, image, level, measure : str
        `level` may be empty.
    value : float
        NaN: undefined.
    subject : str
        Empty: each image counts as a subject of its own.
    unit : str
    """

    reader: str
    image: str
    level: str
    measure: str
    value: float
    subject: str = ""
    unit: str = ""


@dataclass(frozen=True, eq=False)
class MatchedMeasure:
    """One measure of the targets that at least two readers have.

    Parameters
    ----------
    name, unit : str
    readers : tuple of k str
    targets : tuple of n (image, level)
    subjects : tuple of n str
    values : (n, k) array
        NaN where a reader has none.
    """

    name: str
    unit: str
    readers: tuple[str, ...]
    targets: tuple[tuple[str, str], ...]
    subjects: tuple[str, ...]
    values: FloatArray


@dataclass(frozen=True, eq=False)
class PointDistances:
    """Distances between the same points of two readers.

    Parameters
    ----------
    first, second : str
        The readers.
    points : tuple of n str
        Name of each point.
    subjects : tuple of n str
    mm : (n,) array
        NaN without a calibration that both readings share.
    percent : (n,) array
        In percent of the superior depth of the vertebra, mean of both readers.
    named_otherwise : int
        Vertebrae whose centres are more than half a depth apart: the readers gave the name to
        different bodies, so their points are left out.
    """

    first: str
    second: str
    points: tuple[str, ...]
    subjects: tuple[str, ...]
    mm: FloatArray
    percent: FloatArray
    named_otherwise: int = 0


def split_repeats(label: str, readings: Sequence[Reading]) -> dict[str, list[Reading]]:
    """Readings of one place by reader, and by repetition where a reader read an image again.

    A place with one reader and no repeats is called `label`; otherwise the reader's name and
    version follow, and ``#2`` for second readings in the order in which they were made.

    Raises
    ------
    InputError
        If a reader's readings are of different films of one name.
    """
    by_reader: dict[tuple[str, str, str], list[Reading]] = defaultdict(list)
    for reading in readings:
        reader = reading.reader
        by_reader[reader.name, reader.version, reader.sha256].append(reading)
    short = {key: " ".join(x for x in key[:2] if x) for key in by_reader}
    clash = len(set(short.values())) < len(short)
    out: dict[str, list[Reading]] = defaultdict(list)
    for key, own in by_reader.items():
        name = short[key] + (f" {key[2][:8]}" if clash else "")
        stem = label if len(by_reader) == 1 else f"{label}: {name}"
        times: dict[str, int] = defaultdict(int)
        first: dict[str, Reading] = {}
        for reading in sorted(own, key=lambda r: r.created):
            image = _image_key(reading)
            _check_same_film(first.setdefault(image, reading), reading)
            times[image] += 1
            out[stem if times[image] == 1 else f"{stem} #{times[image]}"].append(reading)
    return dict(out)


def _check_same_film(first: Reading, again: Reading) -> None:
    """A second reading is one of the same image, and not of another file that is called so too."""
    a, b = first.source, again.source
    if a.path != b.path and a.sha256 and b.sha256 and a.sha256 != b.sha256:
        raise InputError(
            f"{a.path} and {b.path}: two films of one name, read by one reader; films are matched"
            " by the names of their files: give each its own"
        )


def _image_key(reading: Reading) -> str:
    """File name without folder and ending; the hash would not match that of an annotation."""
    path = PurePosixPath(reading.source.path.replace("\\", "/"))
    return path.stem or reading.source.sha256 or reading.id


def reading_values(label: str, readings: Iterable[Reading]) -> list[ReadValue]:
    """All defined measurements of one reader's readings; rejected readings have none."""
    return [
        ReadValue(
            label,
            _image_key(reading),
            m.level,
            m.name,
            m.value,
            reading.source.patient_id,
            m.unit,
        )
        for reading in readings
        if reading.quality.status != "rejected"
        for m in reading.measurements
    ]


def match_values(
    values: Iterable[ReadValue], measures: Sequence[str] | None, levels: Sequence[str] | None = None
) -> tuple[MatchedMeasure, ...]:
    """Line up the readers.

    Parameters
    ----------
    values : iterable of ReadValue
    measures : sequence of str or None
        Those wanted, in this order; None for all, in the order of their coming.
    levels : sequence of str, optional
        Only targets of these levels.

    Raises
    ------
    InputError
        If a reader has two values of one measure of one target.
    """
    cells: dict[str, dict[tuple[str, str], dict[str, float]]] = defaultdict(
        lambda: defaultdict(dict)
    )
    subjects: dict[str, str] = {}
    units: dict[str, str] = {}
    readers: dict[str, None] = {}
    for v in values:
        readers.setdefault(v.reader)
        if (measures is not None and v.measure not in measures) or (
            levels and v.level not in levels
        ):
            continue
        cell = cells[v.measure][v.image, v.level]
        if v.reader in cell:
            raise InputError(
                f"reader {v.reader!r} has {v.measure} of {v.image} {v.level} twice;"
                " repeats must be named as readers of their own"
            )
        cell[v.reader] = v.value
        subjects[v.image] = subjects.get(v.image) or v.subject
        units[v.measure] = units.get(v.measure) or v.unit
    names = list(cells) if measures is None else [m for m in measures if m in cells]
    return tuple(_matched(m, units[m], tuple(readers), cells[m], subjects) for m in names)


def _matched(
    name: str,
    unit: str,
    readers: tuple[str, ...],
    cells: Mapping[tuple[str, str], Mapping[str, float]],
    subjects: Mapping[str, str],
) -> MatchedMeasure:
    chosen = [t for t, cell in cells.items() if sum(v == v for v in cell.values()) >= 2]
    chosen.sort(key=lambda t: (t[0], LEVELS.index(t[1]) if t[1] in LEVELS else -1))
    table = np.array([[cells[t].get(r, np.nan) for r in readers] for t in chosen], dtype=float)
    return MatchedMeasure(
        name,
        unit,
        readers,
        tuple(chosen),
        tuple(subjects[image] or image for image, _ in chosen),
        table.reshape(len(chosen), len(readers)),
    )


def point_distances(sets: Mapping[str, Sequence[Reading]]) -> tuple[PointDistances, ...]:
    """Distances of the points of each pair of readers, of levels that both named alike."""
    out = []
    for first, second in combinations(sets, 2):
        others = {_image_key(r): r for r in sets[second]}
        pairs = [(r, others[k]) for r in sets[first] if (k := _image_key(r)) in others]
        compared = [_distances(a, b) for a, b in pairs]
        rows = [row for c in compared for row in c[0]]
        if rows:
            points, subjects, mm, percent = zip(*rows, strict=True)
            out.append(
                PointDistances(
                    first,
                    second,
                    points,
                    subjects,
                    np.array(mm),
                    np.array(percent),
                    sum(c[1] for c in compared),
                )
            )
    return tuple(out)


def _distances(a: Reading, b: Reading) -> tuple[list[tuple[str, str, float, float]], int]:
    """A row for each point that both have, and how many vertebrae are named otherwise."""
    scale = np.asarray(a.calibration.scale_xy)
    metric = a.calibration.is_metric
    if metric and b.calibration.is_metric:
        metric = bool(np.allclose(scale, b.calibration.scale_xy, rtol=0.01))
    theirs = {v.level: v for v in b.vertebrae}
    subject = a.source.patient_id or b.source.patient_id or _image_key(a)
    rows, elsewhere = [], 0
    for vertebra in a.vertebrae:
        other = theirs.get(vertebra.level)
        if other is None:
            continue
        depths = [
            float(np.hypot(*((v.points[0] - v.points[2]) * scale))) for v in (vertebra, other)
        ]
        depth = float(np.mean(depths))
        if float(np.hypot(*((vertebra.centre - other.centre) * scale))) > 0.5 * depth:
            elsewhere += 1
            continue
        apart = np.hypot(*((vertebra.points - other.points) * scale).T)
        rows += [
            (name, subject, float(d) if metric else np.nan, 100.0 * float(d) / depth)
            for name, d in zip(POINTS, apart, strict=True)
            if np.isfinite(d)
        ]
    return rows, elsewhere
