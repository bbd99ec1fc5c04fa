"""The measurement groups of a structured report."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeAlias

import numpy as np
from highdicom import sr
from highdicom.sr.enum import RelationshipTypeValues as Relation

from endplate import __version__
from endplate.geometry.catalogue import FLAGS
from endplate.geometry.landmarks import FloatArray, Vertebra
from endplate.geometry.levels import CORNERS, POINTS
from endplate.geometry.measurement import Measurement
from endplate.reports.dicom.codes import (
    COBB_GROUPS,
    CONCEPTS,
    LINES,
    MEASURES,
    POINT_CODES,
    STANDARD_CODES,
    TIME_POINTS,
    UNITS,
    Code,
    method_code,
    site_of_level,
)
from endplate.reports.dicom.film import Film
from endplate.reports.dicom.uids import UidMaker
from endplate.study.reading import Reading

__all__ = ["HALF_PIXEL", "GroupContext", "coded", "measurement_groups"]

Group: TypeAlias = (
    sr.MeasurementsAndQualitativeEvaluations | sr.PlanarROIMeasurementsAndQualitativeEvaluations
)

#: DICOM counts from the outer corner of the first pixel, readings from its centre.
HALF_PIXEL: Final = 0.5
_DIGITS: Final = 4
_LONGEST_TEXT: Final = 1024


@lru_cache(maxsize=1024)
def coded(code: Code) -> sr.CodedConcept:
    """A code as highdicom wants it: one object for each, which nobody changes."""
    return sr.CodedConcept(code.value, code.scheme, code.meaning)


@dataclass(frozen=True, eq=False)
class GroupContext:
    """What all groups of a document share; see `build_sr`."""

    reading: Reading
    film: Film
    uids: UidMaker
    time_point: str | None = None

    def tracking(self, identifier: str) -> sr.TrackingIdentifier:
        """Name and identifier of a group."""
        return sr.TrackingIdentifier(
            uid=self.uids.make(f"track {identifier}"), identifier=identifier
        )

    def source(self) -> sr.SourceImageForRegion:
        """Reference to the film."""
        header = self.film.header
        return _reference(str(header.SOPClassUID), str(header.SOPInstanceUID))

    def time(self) -> sr.TimePointContext | None:
        """The time point, if one was given."""
        if self.time_point is None:
            return None
        code = TIME_POINTS.get(self.time_point)
        kind = None if code is None else coded(code)
        return sr.TimePointContext(time_point=self.time_point, time_point_type=kind)

    def algorithm(self, full: bool = False) -> sr.AlgorithmIdentification:
        """Who placed the points, `full`: with its hash; the measures follow from them."""
        reader = self.reading.reader
        if reader.kind == "person":
            return sr.AlgorithmIdentification(
                "endplate", __version__, parameters=["points placed by a person"]
            )
        return sr.AlgorithmIdentification(
            reader.name or "endplate",
            reader.version or __version__,
            family=coded(STANDARD_CODES["intelligence"]),
            parameters=[f"sha256={reader.sha256}"] if full and reader.sha256 else None,
        )


@lru_cache(maxsize=8)
def _reference(sop_class: str, sop_instance: str) -> sr.SourceImageForRegion:
    """A film as the lines on it refer to it: hundreds of times the same."""
    return sr.SourceImageForRegion(sop_class, sop_instance)


def measurement_groups(context: GroupContext) -> list[Group]:
    """All groups of a reading."""
    defined = [m for m in context.reading.measurements if math.isfinite(m.value)]
    groups: list[Group] = [_reading_group(context)]
    for vertebra in context.reading.vertebrae:
        own = [m for m in defined if m.level == vertebra.level and m.name not in COBB_GROUPS]
        alone = [m for m in own if _levels(m) <= {vertebra.level}]
        beside = [m for m in own if not _levels(m) <= {vertebra.level}]
        groups.append(_body_group(context, vertebra, alone))
        groups.append(_landmark_group(context, vertebra))
        if beside:
            groups.append(_segment_group(context, vertebra.level, beside))
    groups += [_cobb_group(context, m) for m in defined if m.name in COBB_GROUPS]
    return groups


def _levels(measurement: Measurement) -> set[str]:
    """Levels whose points were measured."""
    parts = (text.rstrip(")").partition("(") for text in measurement.between)
    return {level for name, _, level in parts if name in LINES}


def _sites(levels: Iterable[str]) -> list[sr.FindingSite]:
    out = []
    for level in levels:
        site, modifier = site_of_level(level)
        topography = None if modifier is None else coded(modifier)
        out.append(sr.FindingSite(coded(site), topographical_modifier=topography))
    return out


def _number(
    name: Code, value: float, unit: str, relation: Relation = Relation.HAS_PROPERTIES
) -> sr.NumContentItem:
    rounded = round(float(value), _DIGITS)
    return sr.NumContentItem(coded(name), rounded, coded(UNITS[unit]), relationship_type=relation)


def _text(name: str, value: str, relation: Relation = Relation.CONTAINS) -> sr.TextContentItem:
    return sr.TextContentItem(
        coded(CONCEPTS[name]), value[:_LONGEST_TEXT], relationship_type=relation
    )


def _plain(name: Code, value: float, unit: str) -> sr.Measurement:
    """A number that is not one of the catalogue's."""
    return sr.Measurement(coded(name), float(value), coded(UNITS[unit]))


def _evaluation(name: str, value: Code) -> sr.QualitativeEvaluation:
    return sr.QualitativeEvaluation(coded(CONCEPTS[name]), coded(value))


def _reading_group(context: GroupContext) -> Group:
    """What concerns the reading as a whole."""
    reading, source = context.reading, context.reading.source
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
    header = context.film.header
    group = sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=context.tracking("Reading"),
        finding_type=coded(CONCEPTS["READING"]),
        algorithm_id=context.algorithm(full=True),
        time_point_context=context.time(),
        measurements=numbers,
        qualitative_evaluations=evaluations,
        source_images=[
            sr.SourceImageForMeasurementGroup(header.SOPClassUID, header.SOPInstanceUID)
        ],
    )
    for name, text in _reading_texts(reading):
        if text:
            group[0].ContentSequence.append(_text(name, text))
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


def _body_group(
    context: GroupContext, vertebra: Vertebra, measurements: Sequence[Measurement]
) -> Group:
    """A body: its outline where all corners were seen, and what was measured of it alone."""
    shared: dict[str, Any] = {
        "tracking_identifier": context.tracking(vertebra.level),
        "finding_type": coded(STANDARD_CODES["sacrum" if vertebra.level == "S1" else "vertebra"]),
        "finding_sites": _sites([vertebra.level]),
        "algorithm_id": context.algorithm(),
        "time_point_context": context.time(),
        "measurements": [*_certainty(vertebra), *(_measure(context, m) for m in measurements)],
        "qualitative_evaluations": [
            _evaluation(name, STANDARD_CODES["present" if seen else "absent"])
            for name, seen in (("HARDWARE", vertebra.hardware), ("CEMENT", vertebra.cement))
        ],
    }
    if not vertebra.has(*CORNERS):
        return sr.MeasurementsAndQualitativeEvaluations(**shared)
    outline = np.array([vertebra.point(name) for name in POINTS if vertebra.has(name)])
    region = sr.ImageRegion(
        "POLYLINE", _shifted(np.vstack([outline, outline[:1]])), context.source()
    )
    return sr.PlanarROIMeasurementsAndQualitativeEvaluations(referenced_region=region, **shared)


def _certainty(vertebra: Vertebra) -> list[sr.Measurement]:
    pairs = (("CONFIDENCE", vertebra.confidence), ("P-LEVEL", vertebra.level_probability))
    return [
        _plain(CONCEPTS[name], round(value, _DIGITS), "1")
        for name, value in pairs
        if math.isfinite(value)
    ]


def _landmark_group(context: GroupContext, vertebra: Vertebra) -> Group:
    """The points, each with its place and its covariance."""
    seen = [name for name in POINTS if vertebra.has(name)]
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=context.tracking(f"{vertebra.level} landmarks"),
        finding_type=coded(CONCEPTS["LANDMARKS"]),
        finding_sites=_sites([vertebra.level]),
        algorithm_id=context.algorithm(),
        time_point_context=context.time(),
        measurements=[_landmark(context, vertebra, name) for name in seen],
    )


def _landmark(context: GroupContext, vertebra: Vertebra, name: str) -> sr.Measurement:
    """A point: the number is the root mean square of its standard errors along the axes."""
    i = 2 * POINTS.index(name)
    block = np.full((2, 2), np.nan)
    if vertebra.covariance is not None:
        block = vertebra.covariance[i : i + 2, i : i + 2]
    known = bool(np.isfinite(block).all())
    spread = math.sqrt(max(float(np.trace(block)) / 2, 0.0)) if known else 0.0
    place = sr.CoordinatesForMeasurement(
        "POINT", _shifted(vertebra.point(name)[None]), context.source()
    )
    landmark = sr.Measurement(
        coded(POINT_CODES[name]),
        round(spread, _DIGITS),
        coded(UNITS["px"]),
        referenced_coordinates=[place],
    )
    item = landmark[0]
    if not known:
        item.MeasuredValueSequence = []
        item.NumericValueQualifierCodeSequence = [coded(STANDARD_CODES["unknown"])]
        return landmark
    for label, value in zip(
        ("VAR-XX", "VAR-XY", "VAR-YY"), (block[0, 0], block[0, 1], block[1, 1]), strict=True
    ):
        number = sr.NumContentItem(
            coded(CONCEPTS[label]),
            float(f"{value:.8g}"),
            coded(UNITS["px2"]),
            relationship_type=Relation.HAS_PROPERTIES,
        )
        item.ContentSequence.append(number)
    return landmark


def _segment_group(context: GroupContext, level: str, measurements: Sequence[Measurement]) -> Group:
    """What was measured of a body and its neighbours."""
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=context.tracking(f"{level} and its neighbours"),
        finding_type=coded(CONCEPTS["SEGMENT"]),
        finding_sites=_sites([level]),
        algorithm_id=context.algorithm(),
        time_point_context=context.time(),
        measurements=[_measure(context, m, lines=True) for m in measurements],
    )


def _cobb_group(context: GroupContext, measurement: Measurement) -> Group:
    """An angle over several levels."""
    code = MEASURES[measurement.name]
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=context.tracking(f"{measurement.level} {code.meaning}"),
        finding_type=coded(code),
        finding_sites=_sites([measurement.level]),
        algorithm_id=context.algorithm(),
        time_point_context=context.time(),
        measurements=[_measure(context, measurement, STANDARD_CODES["cobb"], lines=True)],
    )


def _measure(
    context: GroupContext, m: Measurement, name: Code | None = None, lines: bool = False
) -> sr.Measurement:
    """A measurement with its error, its flags and the landmarks between which it was measured."""
    method = method_code(m)
    out = sr.Measurement(
        coded(name or MEASURES[m.name]),
        round(m.value, _DIGITS),
        coded(UNITS[m.unit]),
        method=None if method is None else coded(method),
        referenced_coordinates=_lines(context, m) if lines else None,
    )
    item = out[0]
    items = list(item.get("ContentSequence", ()))
    if m.between:
        items.insert(0, _text("LANDMARK", " ".join(m.between), Relation.HAS_CONCEPT_MOD))
    items += _properties(m)
    item.ContentSequence = sr.value_types.ContentSequence(items)
    return out


def _properties(m: Measurement) -> list[sr.value_types.ContentItem]:
    out: list[sr.value_types.ContentItem] = []
    if math.isfinite(m.se):
        out.append(_number(CONCEPTS["SE"], m.se, m.unit))
    low, high = m.interval90
    if math.isfinite(low) and math.isfinite(high):
        value = round(m.value, _DIGITS)
        out.append(_number(STANDARD_CODES["upper"], round(high, _DIGITS) - value, m.unit))
        out.append(_number(STANDARD_CODES["lower"], value - round(low, _DIGITS), m.unit))
    for flag in m.flags:
        said = FLAGS.get(flag)
        text = flag if said is None else f"{flag}: {said}"
        out.append(_text("FLAG", text, Relation.HAS_PROPERTIES))
    return out


def _lines(context: GroupContext, m: Measurement) -> list[sr.CoordinatesForMeasurement]:
    """The lines between which was measured, as far as their points were seen."""
    bodies = {v.level: v for v in context.reading.vertebrae}
    purpose = coded(STANDARD_CODES["arm" if m.unit == "deg" else "source"])
    out = []
    for landmark in m.between:
        name, _, level = landmark.rstrip(")").partition("(")
        body = bodies.get(level)
        if name not in LINES or body is None:
            continue
        points = np.array([body.point(p) for p in LINES[name][0]])
        if np.isfinite(points).all():
            out.append(
                sr.CoordinatesForMeasurement(
                    "POLYLINE", _shifted(points), context.source(), purpose=purpose
                )
            )
    return out


def _shifted(points: FloatArray) -> FloatArray:
    """Points counted from the outer corner of the first pixel."""
    return points + HALF_PIXEL
