"""The first measurement group of a structured report: what concerns the reading as a whole.

Made of highdicom's objects, since highdicom makes the document around it.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from highdicom import sr
from highdicom.sr.enum import RelationshipTypeValues as Relation

from endplate import __version__
from endplate.reports.dicom.codes import CONCEPTS, STANDARD_CODES, TIME_POINTS, UNITS, Code
from endplate.reports.dicom.film import Film
from endplate.reports.dicom.uids import UidMaker
from endplate.study.reading import Reader, Reading

__all__ = ["PLACED_BY_PERSON", "coded", "reading_group"]

PLACED_BY_PERSON: Final = "points placed by a person"
_LONGEST_TEXT: Final = 1024


@lru_cache(maxsize=1024)
def coded(code: Code) -> sr.CodedConcept:
    """A code as highdicom wants it: one object for each, which nobody changes."""
    return sr.CodedConcept(code.value, code.scheme, code.meaning)


def _plain(name: Code, value: float, unit: str) -> sr.Measurement:
    return sr.Measurement(coded(name), float(value), coded(UNITS[unit]))


def _evaluation(name: str, value: Code) -> sr.QualitativeEvaluation:
    return sr.QualitativeEvaluation(coded(CONCEPTS[name]), coded(value))


def _algorithm(reader: Reader) -> sr.AlgorithmIdentification:
    """Who placed the points, with its hash."""
    if reader.kind == "person":
        return sr.AlgorithmIdentification("endplate", __version__, parameters=[PLACED_BY_PERSON])
    return sr.AlgorithmIdentification(
        reader.name or "endplate",
        reader.version or __version__,
        family=coded(STANDARD_CODES["intelligence"]),
        parameters=[f"sha256={reader.sha256}"] if reader.sha256 else None,
    )


def _time(time_point: str | None) -> sr.TimePointContext | None:
    if time_point is None:
        return None
    kind = TIME_POINTS.get(time_point)
    return sr.TimePointContext(
        time_point=time_point, time_point_type=None if kind is None else coded(kind)
    )


def reading_group(
    reading: Reading, film: Film, uids: UidMaker, time_point: str | None
) -> sr.MeasurementsAndQualitativeEvaluations:
    """The group; see `build_sr`."""
    source = reading.source
    evaluations = [
        _evaluation("STATUS", CONCEPTS[reading.quality.status.upper()]),
        _evaluation("VIEW", CONCEPTS[source.view.upper()]),
    ]
    if source.facing is not None:
        evaluations.append(_evaluation("FACING", CONCEPTS[source.facing.upper()]))
    calibration = reading.calibration
    numbers = [
        _plain(CONCEPTS["ROWS"], source.rows, "px"),
        _plain(CONCEPTS["COLUMNS"], source.columns, "px"),
        _plain(CONCEPTS["ASPECT"], calibration.aspect, "1"),
    ]
    if calibration.spacing_mm is not None:
        row, column = calibration.spacing_mm
        numbers += [
            _plain(CONCEPTS["SPACING-ROW"], row, "mm"),
            _plain(CONCEPTS["SPACING-COLUMN"], column, "mm"),
        ]
    if calibration.magnification is not None:
        numbers.append(_plain(CONCEPTS["MAGNIFICATION"], calibration.magnification, "1"))
    header = film.header
    group = sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(
            uid=uids.make("track Reading"), identifier="Reading"
        ),
        finding_type=coded(CONCEPTS["READING"]),
        algorithm_id=_algorithm(reading.reader),
        time_point_context=_time(time_point),
        measurements=numbers,
        qualitative_evaluations=evaluations,
        source_images=[
            sr.SourceImageForMeasurementGroup(header.SOPClassUID, header.SOPInstanceUID)
        ],
    )
    for name, text in _reading_texts(reading):
        if text:
            item = sr.TextContentItem(
                coded(CONCEPTS[name]), text[:_LONGEST_TEXT], relationship_type=Relation.CONTAINS
            )
            group[0].ContentSequence.append(item)
    return group


def _reading_texts(reading: Reading) -> Iterator[tuple[str, str]]:
    reader, source = reading.reader, reading.source
    yield "READING-ID", reading.id
    yield "PARENT-ID", reading.parent or ""
    yield "CREATED", reading.created
    yield "READER-KIND", reader.kind
    yield "READER-NAME", reader.name
    yield "READER-VERSION", reader.version
    yield "READER-SHA256", reader.sha256
    yield "FILM-PATH", source.path
    yield "FILM-SHA256", source.sha256
    yield "MODALITY", source.modality
    yield "POSITION", source.position or ""
    yield "CALIBRATION", reading.calibration.source
    for reason in reading.quality.reasons:
        yield "REASON", f"{reason.code}: {reason.message}"
