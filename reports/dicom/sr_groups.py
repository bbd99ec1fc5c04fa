"""The measurement groups of a structured report on vertebrae and angles."""

import math
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from endplate.geometry.catalogue import FLAGS
from endplate.geometry.landmarks import FloatArray, Vertebra
from endplate.geometry.levels import CORNERS, POINTS
from endplate.geometry.measurement import Measurement
from endplate.reports.dicom import content
from endplate.reports.dicom.codes import (
    COBB_GROUPS,
    CONCEPTS,
    LINES,
    MEASURES,
    POINT_CODES,
    STANDARD_CODES,
    UNITS,
    Code,
    method_code,
)
from endplate.reports.dicom.content import CONTAINS, INFERRED, MODIFIER, PROPERTY
from endplate.reports.dicom.sr_context import LONGEST_TEXT, PLANAR, GroupContext

__all__ = ["HALF_PIXEL", "measurement_groups"]

#: DICOM counts from the outer corner of the first pixel, readings from its centre.
HALF_PIXEL: Final = 0.5
_DIGITS: Final = 4


def measurement_groups(context: GroupContext) -> Iterator[bytes]:
    """All groups but that on the reading as a whole."""
    defined = [m for m in context.reading.measurements if math.isfinite(m.value)]
    for vertebra in context.reading.vertebrae:
        own = [m for m in defined if m.level == vertebra.level and m.name not in COBB_GROUPS]
        alone = [m for m in own if _levels(m) <= {vertebra.level}]
        beside = [m for m in own if not _levels(m) <= {vertebra.level}]
        yield _body_group(context, vertebra, alone)
        yield _landmark_group(context, vertebra)
        if beside:
            yield _segment_group(context, vertebra.level, beside)
    for measurement in defined:
        if measurement.name in COBB_GROUPS:
            yield _cobb_group(context, measurement)


def _levels(measurement: Measurement) -> set[str]:
    """Levels whose points were measured."""
    parts = (text.rstrip(")").partition("(") for text in measurement.between)
    return {level for name, _, level in parts if name in LINES}


def _rounded(relation: str, name: Code, value: float, unit: str) -> bytes:
    return content.number(relation, name, round(float(value), _DIGITS), UNITS[unit])


def _text(name: str, value: str, relation: str) -> bytes:
    return content.text(relation, CONCEPTS[name], value[:LONGEST_TEXT])


def _body_group(
    context: GroupContext, vertebra: Vertebra, measurements: Sequence[Measurement]
) -> bytes:
    """A body: its outline where all corners were seen, and what was measured of it alone."""
    whole = vertebra.has(*CORNERS)
    # Where there is no outline, the numbers say where they are from.
    seen = () if whole else _seen(context, vertebra)
    items = [*_certainty(vertebra, seen)]
    items += (_measure(context, m, lines=not whole) for m in measurements)
    for name, there in (("HARDWARE", vertebra.hardware), ("CEMENT", vertebra.cement)):
        value = STANDARD_CODES["present" if there else "absent"]
        items.append(content.code(CONTAINS, CONCEPTS[name], value))
    finding = STANDARD_CODES["sacrum" if vertebra.level == "S1" else "vertebra"]
    if not whole:
        return context.group(vertebra.level, finding, items, vertebra.level)
    outline = np.array([vertebra.point(name) for name in POINTS if vertebra.has(name)])
    closed = _shifted(np.vstack([outline, outline[:1]]))
    items.append(
        content.region(CONTAINS, STANDARD_CODES["region"], "POLYLINE", closed, context.source)
    )
    return context.group(vertebra.level, finding, items, vertebra.level, PLANAR)


def _seen(context: GroupContext, vertebra: Vertebra) -> tuple[bytes, ...]:
    """The line through the points that were seen."""
    points = np.array([vertebra.point(name) for name in POINTS if vertebra.has(name)])
    if len(points) < 2:
        return ()
    line = _shifted(points)
    return (content.region(INFERRED, content.SOURCE, "POLYLINE", line, context.source),)


def _certainty(vertebra: Vertebra, seen: tuple[bytes, ...]) -> Iterator[bytes]:
    pairs = (("CONFIDENCE", vertebra.confidence), ("P-LEVEL", vertebra.level_probability))
    for name, value in pairs:
        if math.isfinite(value):
            number = round(float(value), _DIGITS)
            yield content.number(CONTAINS, CONCEPTS[name], number, UNITS["1"], seen)


def _landmark_group(context: GroupContext, vertebra: Vertebra) -> bytes:
    """The points, each with its place and its covariance."""
    points = (_landmark(context, vertebra, name) for name in POINTS if vertebra.has(name))
    name = f"{vertebra.level} landmarks"
    return context.group(name, CONCEPTS["LANDMARKS"], points, vertebra.level)


def _landmark(context: GroupContext, vertebra: Vertebra, name: str) -> bytes:
    """A point: the number is the root mean square of its standard errors along the axes."""
    i = 2 * POINTS.index(name)
    block = np.full((2, 2), np.nan)
    if vertebra.covariance is not None:
        block = vertebra.covariance[i : i + 2, i : i + 2]
    place = _shifted(vertebra.point(name)[None])
    children = [content.region(INFERRED, content.SOURCE, "POINT", place, context.source)]
    if not np.isfinite(block).all():
        return content.number(CONTAINS, POINT_CODES[name], None, UNITS["px"], children)
    parts = zip(
        ("VAR-XX", "VAR-XY", "VAR-YY"), (block[0, 0], block[0, 1], block[1, 1]), strict=True
    )
    for label, value in parts:
        number = float(f"{value:.8g}")
        children.append(content.number(PROPERTY, CONCEPTS[label], number, UNITS["px2"]))
    spread = math.sqrt(max(float(np.trace(block)) / 2, 0.0))
    return content.number(
        CONTAINS, POINT_CODES[name], round(spread, _DIGITS), UNITS["px"], children
    )


def _segment_group(context: GroupContext, level: str, measurements: Sequence[Measurement]) -> bytes:
    """What was measured of a body and its neighbours."""
    items = (_measure(context, m, lines=True) for m in measurements)
    return context.group(f"{level} and its neighbours", CONCEPTS["SEGMENT"], items, level)


def _cobb_group(context: GroupContext, measurement: Measurement) -> bytes:
    """An angle over several levels."""
    code = MEASURES[measurement.name]
    angle = _measure(context, measurement, STANDARD_CODES["cobb"], lines=True)
    name = f"{measurement.level} {code.meaning}"
    return context.group(name, code, [angle], measurement.level)


def _measure(
    context: GroupContext, m: Measurement, name: Code | None = None, lines: bool = False
) -> bytes:
    """A measurement with its error, its flags and the landmarks between which it was measured."""
    items = []
    if m.between:
        items.append(_text("LANDMARK", " ".join(m.between), MODIFIER))
    method = method_code(m)
    if method is not None:
        items.append(content.code(MODIFIER, STANDARD_CODES["method"], method))
    if lines:
        items += _lines(context, m)
    items += _properties(m)
    value = round(float(m.value), _DIGITS)
    return content.number(CONTAINS, name or MEASURES[m.name], value, UNITS[m.unit], items)


def _properties(m: Measurement) -> Iterator[bytes]:
    if math.isfinite(m.se):
        yield _rounded(PROPERTY, CONCEPTS["SE"], m.se, m.unit)
    low, high = m.interval90
    if math.isfinite(low) and math.isfinite(high):
        value = round(m.value, _DIGITS)
        upper, lower = round(high, _DIGITS) - value, value - round(low, _DIGITS)
        yield _rounded(PROPERTY, STANDARD_CODES["upper"], upper, m.unit)
        yield _rounded(PROPERTY, STANDARD_CODES["lower"], lower, m.unit)
    for flag in m.flags:
        said = FLAGS.get(flag)
        yield _text("FLAG", flag if said is None else f"{flag}: {said}", PROPERTY)


def _lines(context: GroupContext, m: Measurement) -> Iterator[bytes]:
    """The lines between which was measured, as far as their points were seen."""
    purpose = STANDARD_CODES["arm" if m.unit == "deg" else "source"]
    for landmark in m.between:
        key = landmark, purpose
        if key not in context.lines:
            context.lines[key] = _line(context, landmark, purpose)
        yield context.lines[key]


def _line(context: GroupContext, landmark: str, purpose: Code) -> bytes:
    """A line of a body, nothing where a point of it was not seen."""
    name, _, level = landmark.rstrip(")").partition("(")
    body = context.bodies.get(level)
    if name not in LINES or body is None:
        return b""
    points = np.array([body.point(p) for p in LINES[name][0]])
    if not np.isfinite(points).all():
        return b""
    return content.region(INFERRED, purpose, "POLYLINE", _shifted(points), context.source)


def _shifted(points: FloatArray) -> FloatArray:
    """Points counted from the outer corner of the first pixel."""
    return points + HALF_PIXEL
