"""Readings from our own structured reports. Needs pydicom only.

What a report does not hold is missing in the reading: measures that were undefined, and the
covariance between different points (that of each point with itself is there).
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset

from endplate.errors import EndplateError, InputError
from endplate.geometry.calibration import Calibration
from endplate.geometry.landmarks import Vertebra
from endplate.geometry.levels import LEVELS, POINTS
from endplate.geometry.measurement import Measurement
from endplate.reports.dicom.codes import (
    LOCAL_SCHEME,
    POINT_CODES,
    STANDARD_CODES,
    UNITS,
    level_of_code,
    measure_of_code,
)
from endplate.study.reading import Quality, Reader, Reading, Reason, Source

__all__ = ["read_sr", "reading_of_sr", "time_point_of_sr"]

_FINDING: Final = ("121071", "DCM")
_FINDING_SITE: Final = ("363698007", "SCT")
_MODIFIER: Final = ("106233006", "SCT")
_TIME_POINT: Final = ("C2348792", "UMLS")
_TRACKING: Final = ("112039", "DCM")
_HALF_PIXEL: Final = 0.5
_UNIT_OF_CODE: Final = {code.value: name for name, code in UNITS.items()}
_POINT_OF_CODE: Final = {code.value: name for name, code in POINT_CODES.items()}


@dataclass(frozen=True)
class _Item:
    """A content item of a report."""

    data: Dataset

    @property
    def name(self) -> tuple[str, str]:
        return _code(self.data.get("ConceptNameCodeSequence"))

    @property
    def local(self) -> str:
        """Value of the concept name if it is one of ours, else empty."""
        value, scheme = self.name
        return value if scheme == LOCAL_SCHEME else ""

    @property
    def code(self) -> tuple[str, str]:
        return _code(self.data.get("ConceptCodeSequence"))

    @property
    def text(self) -> str:
        return str(self.data.get("TextValue", "") or "")

    @property
    def number(self) -> float:
        values = self.data.get("MeasuredValueSequence") or ()
        if not values:
            return math.nan
        # The decimal string is cut to 16 characters; where the full number stands, it is better.
        return float(values[0].get("FloatingPointValue", values[0].NumericValue))

    @property
    def unit(self) -> str:
        values = self.data.get("MeasuredValueSequence") or ()
        value = _code(values[0].get("MeasurementUnitsCodeSequence"))[0] if values else ""
        return _UNIT_OF_CODE.get(value, value)

    def children(self) -> Iterator["_Item"]:
        for item in self.data.get("ContentSequence") or ():
            yield _Item(item)

    def child(self, name: tuple[str, str]) -> "_Item | None":
        return next((c for c in self.children() if c.name == name), None)

    def local_children(self) -> dict[str, "_Item"]:
        """Children by the value of their local concept name; the last of several."""
        return {c.local: c for c in self.children() if c.local}

    def points(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        values = np.array(self.data.get("GraphicData") or (), dtype=np.float64)
        out: np.ndarray[Any, np.dtype[np.float64]] = values.reshape(-1, 2) - _HALF_PIXEL
        return out


def read_sr(path: str | Path) -> Reading:
    """The reading in a structured report that endplate wrote.

    Raises
    ------
    InputError
        If the file cannot be read, or is no report of ours.
    """
    path = Path(path)
    try:
        document = dcmread(path)
    except Exception as error:  # whatever a damaged file makes the parser do
        raise InputError(f"{path.name}: is no DICOM file that can be read ({error})") from error
    return reading_of_sr(document, path.name)


def reading_of_sr(document: Dataset, where: str = "structured report") -> Reading:
    """The reading in a parsed structured report; see `read_sr`.

    Parameters
    ----------
    where : str
        How messages name it.
    """
    groups = list(_groups(document))
    about = next((g for g in groups if _finding(g) == ("READING", LOCAL_SCHEME)), None)
    if about is None:
        raise InputError(
            f"{where}: is no structured report of endplate: it has no measurement group on the"
            " reading as a whole"
        )
    try:
        return _reading(document, about, groups)
    except EndplateError as error:
        raise InputError(f"{where}: {error}") from error
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{where}: the structured report is damaged ({type(error).__name__}: {error})"
        ) from error


def time_point_of_sr(document: Dataset) -> str | None:
    """The time point of the follow-up, None if the report names none."""
    for group in _groups(document):
        item = group.child(_TIME_POINT)
        if item is not None:
            return item.text
    return None


def _code(sequence: Any) -> tuple[str, str]:
    """Value and scheme of a code sequence, empty if there is none."""
    if not sequence:
        return "", ""
    code = sequence[0]
    value = code.get("CodeValue") or code.get("LongCodeValue") or ""
    return str(value), str(code.get("CodingSchemeDesignator", ""))


def _groups(document: Dataset) -> Iterator[_Item]:
    for item in _Item(document).children():
        if item.name == ("126010", "DCM"):  # Imaging Measurements
            yield from (g for g in item.children() if g.name == ("125007", "DCM"))


def _finding(group: _Item) -> tuple[str, str]:
    item = group.child(_FINDING)
    return item.code if item is not None else ("", "")


def _level(group: _Item) -> str:
    site = group.child(_FINDING_SITE)
    modifier = site.child(_MODIFIER) if site is not None else None
    level = None
    if site is not None:
        level = level_of_code(site.code[0], None if modifier is None else modifier.code[0])
    if level is None:
        raise InputError("a measurement group names no vertebra that is known")
    return level


def _reading(document: Dataset, about: _Item, groups: list[_Item]) -> Reading:
    by_code = about.local_children()
    said = {name: item.text for name, item in by_code.items()}
    return Reading(
        id=said["READING-ID"],
        parent=said.get("PARENT-ID"),
        created=said["CREATED"],
        reader=Reader(
            "person" if said.get("READER-KIND") == "person" else "model",
            said.get("READER-NAME", ""),
            said.get("READER-VERSION", ""),
            said.get("READER-SHA256", ""),
        ),
        source=_source(document, by_code, said),
        calibration=_calibration(by_code, said),
        quality=_quality(about, by_code),
        vertebrae=_vertebrae(groups),
        measurements=tuple(_measurements(groups)),
    )


def _source(document: Dataset, by_code: Mapping[str, _Item], said: Mapping[str, str]) -> Source:
    evidence = document.CurrentRequestedProcedureEvidenceSequence[0]
    series = evidence.ReferencedSeriesSequence[0]
    size = [int(by_code[name].number) for name in ("ROWS", "COLUMNS")]
    facing = by_code["FACING"].code[0].lower() if "FACING" in by_code else None
    return Source(
        path=said.get("FILM-PATH", ""),
        sha256=said.get("FILM-SHA256", ""),
        rows=size[0],
        columns=size[1],
        modality=said.get("MODALITY", ""),
        study_uid=str(document.StudyInstanceUID),
        series_uid=str(series.SeriesInstanceUID),
        instance_uid=str(series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID),
        patient_id=str(document.get("PatientID", "") or ""),
        study_date=str(document.get("StudyDate", "") or ""),
        view=by_code["VIEW"].code[0].lower(),  # type: ignore[arg-type]
        facing=facing,  # type: ignore[arg-type]
        position=said.get("POSITION"),
    )


def _calibration(by_code: Mapping[str, _Item], said: Mapping[str, str]) -> Calibration:
    def number(name: str) -> float | None:
        return by_code[name].number if name in by_code else None

    row, column = number("SPACING-ROW"), number("SPACING-COLUMN")
    return Calibration(
        None if row is None or column is None else (row, column),
        said["CALIBRATION"],
        number("MAGNIFICATION"),
        by_code["ASPECT"].number,
    )


def _quality(about: _Item, by_code: Mapping[str, _Item]) -> Quality:
    reasons = []
    for item in about.children():
        if item.local == "REASON":
            code, _, message = item.text.partition(": ")
            reasons.append(Reason(code, message))
    status = by_code["STATUS"].code[0].lower()
    return Quality(status, tuple(reasons))  # type: ignore[arg-type]


def _vertebrae(groups: list[_Item]) -> tuple[Vertebra, ...]:
    landmarks = {_level(g): g for g in groups if _finding(g) == ("LANDMARKS", LOCAL_SCHEME)}
    bodies = {_level(g): g for g in groups if _is_body(g)}
    return tuple(
        _vertebra(level, bodies[level], landmarks[level])
        for level in sorted(bodies, key=LEVELS.index)
    )


def _is_body(group: _Item) -> bool:
    return _finding(group)[0] in (STANDARD_CODES["vertebra"].value, STANDARD_CODES["sacrum"].value)


def _vertebra(level: str, body: _Item, landmarks: _Item) -> Vertebra:
    points, covariance = np.full((6, 2), np.nan), np.full((12, 12), np.nan)
    for item in landmarks.children():
        name = _POINT_OF_CODE.get(item.local)
        if name is None:
            continue
        i = POINTS.index(name)
        points[i] = next(c.points()[0] for c in item.children() if "GraphicData" in c.data)
        spread = item.local_children()
        if "VAR-XX" in spread:
            xx, xy, yy = (spread[f"VAR-{axes}"].number for axes in ("XX", "XY", "YY"))
            covariance[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = [[xx, xy], [xy, yy]]
    said = body.local_children()
    known = np.isfinite(np.diagonal(covariance))
    # Between points nothing was recorded; between points that were seen this is 0, as in the
    # reading's JSON form.
    blank = known[:, None] & known[None, :] & np.isnan(covariance)
    covariance[blank] = 0.0

    def probability(name: str) -> float:
        return said[name].number if name in said else math.nan

    def present(name: str) -> bool:
        return name in said and said[name].code[0] == STANDARD_CODES["present"].value

    return Vertebra(
        level,
        np.round(points, 3),
        covariance if known.any() else None,
        probability("P-LEVEL"),
        probability("CONFIDENCE"),
        present("HARDWARE"),
        present("CEMENT"),
    )


def _measurements(groups: list[_Item]) -> Iterator[Measurement]:
    for group in groups:
        finding, scheme = _finding(group)
        of_group = measure_of_code(finding) if scheme == LOCAL_SCHEME else None
        for item in group.children():
            is_cobb = item.name[0] == STANDARD_CODES["cobb"].value
            name = of_group if is_cobb else measure_of_code(item.local)
            if name is not None and item.data.get("ValueType") == "NUM":
                yield _measurement(name, _level(group), item)


def _measurement(name: str, level: str, item: _Item) -> Measurement:
    by_name = {c.name[0]: c for c in item.children()}
    value = item.number

    def distance(which: str) -> float:
        code = STANDARD_CODES[which].value
        return by_name[code].number if code in by_name else math.nan

    interval = (round(value - distance("lower"), 4), round(value + distance("upper"), 4))
    return Measurement(
        name=name,
        level=level,
        between=tuple(by_name["LANDMARK"].text.split()) if "LANDMARK" in by_name else (),
        value=value,
        unit=item.unit,
        se=by_name["SE"].number if "SE" in by_name else math.nan,
        interval90=interval,
        flags=tuple(c.text.partition(":")[0] for c in item.children() if c.local == "FLAG"),
    )
