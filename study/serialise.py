"""A reading as plain JSON values and back, in the form ``endplate/reading/1``.

Missing values are null: a point that was not seen, a number that is undefined, an interval of
unknown error. Points are rounded to 0.001 pixel, measured numbers to 0.0001 of their unit,
covariances to eight significant digits; spacings are kept as they are.
"""

import math
from typing import Any, Final

import numpy as np

from endplate.checked import Record
from endplate.errors import EndplateError, InputError
from endplate.geometry.calibration import CALIBRATION_SOURCES, Calibration
from endplate.geometry.landmarks import FloatArray, Vertebra
from endplate.geometry.levels import LEVELS, POINTS
from endplate.geometry.measurement import Measurement
from endplate.study.reading import (
    READING_SCHEMA,
    Acquisition,
    Naming,
    Quality,
    Reader,
    Reading,
    Reason,
    Source,
)

__all__ = ["reading_from_dict", "reading_to_dict"]

_FAR: Final = 1e6
_SHIFTS: Final = ("-2", "-1", "0", "+1", "+2")
_HUGE: Final = 1e12
_TEXTS_OF_SOURCE: Final = (
    "sha256",
    "modality",
    "study_uid",
    "series_uid",
    "instance_uid",
    "patient_id",
    "study_date",
)


def reading_to_dict(reading: Reading) -> dict[str, Any]:
    """Plain values of a reading: what `json.dumps(..., allow_nan=False)` accepts."""
    reader, source, calibration = reading.reader, reading.source, reading.calibration
    return {
        "schema": READING_SCHEMA,
        "id": reading.id,
        "parent": reading.parent,
        "created": reading.created,
        "reader": {
            "kind": reader.kind,
            "name": reader.name,
            "version": reader.version,
            "sha256": reader.sha256,
            **({"errors": reader.errors} if reader.errors else {}),
        },
        "source": {
            "path": source.path,
            **{name: getattr(source, name) for name in _TEXTS_OF_SOURCE},
            "rows": int(source.rows),
            "columns": int(source.columns),
            "view": source.view,
            "facing": source.facing,
            "position": source.position,
            **_acquisition_to_dict(source.acquisition),
        },
        "calibration": {
            "spacing_mm": None
            if calibration.spacing_mm is None
            else [float(v) for v in calibration.spacing_mm],
            "source": calibration.source,
            "magnification": calibration.magnification,
            "aspect": float(calibration.aspect),
        },
        "quality": {
            "status": reading.quality.status,
            "reasons": [{"code": r.code, "message": r.message} for r in reading.quality.reasons],
        },
        "vertebrae": [_vertebra_to_dict(v) for v in reading.vertebrae],
        **_naming_to_dict(reading.naming),
        "measurements": [_measurement_to_dict(m) for m in reading.measurements],
    }


def reading_from_dict(values: object, where: str = "reading") -> Reading:
    """The reading that `reading_to_dict` wrote.

    Parameters
    ----------
    values : dict
        Parsed JSON.
    where : str
        How messages name it, such as the file name.

    Raises
    ------
    InputError
        If a field is missing or has a value that no reading can have; the message names it.
    """
    top = Record(values, where)
    top.choice("schema", (READING_SCHEMA,))
    try:
        return Reading(
            id=top.text("id"),
            parent=top.text("parent", default="") or None,
            created=top.text("created"),
            reader=_reader(top.record("reader")),
            source=_source(top.record("source")),
            calibration=_calibration(top.record("calibration")),
            quality=_quality(top.record("quality")),
            vertebrae=tuple(_vertebra(r) for r in top.records("vertebrae", "vertebra")),
            measurements=tuple(_measurement(r) for r in top.records("measurements", "measurement")),
            naming=_naming(top.record("naming")) if top.get("naming", None) else None,
        )
    except InputError:
        raise
    except EndplateError as error:  # from the value types, which do not know the file
        raise InputError(f"{where}: {error}") from error


def _number(value: float, digits: int = 4) -> float | None:
    """Rounded number, null if it is NaN (or infinite, which no measure should be)."""
    return round(float(value), digits) if math.isfinite(value) else None


def _significant(value: float) -> float | None:
    return float(f"{value:.8g}") if math.isfinite(value) else None


def _matrix(array: FloatArray) -> list[list[float | None]]:
    return [[_significant(float(v)) for v in row] for row in array]


def _acquisition_to_dict(acquisition: Acquisition | None) -> dict[str, Any]:
    """The field ``acquisition``, left out where the image is no CT."""
    if acquisition is None:
        return {}
    lengths = {
        "slice_thickness_mm": acquisition.slice_thickness_mm,
        "slice_spacing_mm": acquisition.slice_spacing_mm,
    }
    rounded = {k: None if v is None else _number(v) for k, v in lengths.items()}
    return {"acquisition": {**rounded, "kernel": acquisition.kernel}}


def _naming_to_dict(naming: Naming | None) -> dict[str, Any]:
    """The field ``naming``, left out where nobody judged the names."""
    if naming is None:
        return {}
    levels = {
        name: {level: _number(p) for level, p in others.items()}
        for name, others in naming.levels.items()
    }
    return {
        "naming": {
            "probability": _number(naming.probability),
            "margin": _number(naming.margin),
            "shifts": {_SHIFTS[s + 2]: _number(p) for s, p in naming.shifts.items()},
            "levels": levels,
        }
    }


def _places_to_dict(vertebra: Vertebra) -> dict[str, Any]:
    """The field ``points_mm``, left out where the image is a projection."""
    if vertebra.points_mm is None:
        return {}
    places = {
        name: None if np.isnan(place).any() else [_number(float(v), 3) for v in place]
        for name, place in zip(POINTS, vertebra.points_mm, strict=True)
    }
    return {"points_mm": places}


def _vertebra_to_dict(vertebra: Vertebra) -> dict[str, Any]:
    seen = [vertebra.has(name) for name in POINTS]
    points = {
        name: [_number(float(v), 3) for v in vertebra.point(name)] if visible else None
        for name, visible in zip(POINTS, seen, strict=True)
    }
    full = vertebra.covariance
    covariance = None
    if full is not None:
        blocks = [full[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] for i in range(len(POINTS))]
        covariance = {
            name: _matrix(block) if visible and np.isfinite(block).all() else None
            for name, block, visible in zip(POINTS, blocks, seen, strict=True)
        }
    return {
        "level": vertebra.level,
        "level_probability": _number(vertebra.level_probability),
        "confidence": _number(vertebra.confidence),
        "hardware": bool(vertebra.hardware),
        "cement": bool(vertebra.cement),
        "points": points,
        "covariance": covariance,
        "covariance_full": None if full is None else _matrix(full),
        **_places_to_dict(vertebra),
    }


def _measurement_to_dict(measurement: Measurement) -> dict[str, Any]:
    interval = [_number(v) for v in measurement.interval90]
    return {
        "name": measurement.name,
        "level": measurement.level,
        "between": list(measurement.between),
        "value": _number(measurement.value),
        "unit": measurement.unit,
        "se": _number(measurement.se),
        "interval90": None if None in interval else interval,
        "flags": list(measurement.flags),
    }


def _reader(record: Record) -> Reader:
    return Reader(
        kind=record.choice("kind", ("model", "person")),
        name=record.text("name", default=""),
        version=record.text("version", default=""),
        sha256=record.text("sha256", default=""),
        errors=record.text("errors", default=""),
    )


def _source(record: Record) -> Source:
    return Source(
        path=record.text("path"),
        rows=record.integer("rows"),
        columns=record.integer("columns"),
        view=record.choice("view", ("lateral", "frontal", "other"), default="other"),
        facing=record.choice("facing", ("left", "right"), default=None),
        position=record.text("position", default="") or None,
        acquisition=_acquisition(record),
        **{name: record.text(name, default="") for name in _TEXTS_OF_SOURCE},
    )


def _acquisition(record: Record) -> Acquisition | None:
    if record.get("acquisition", None) is None:
        return None
    values = record.record("acquisition")
    return Acquisition(
        values.optional_number("slice_thickness_mm", 0.0, 100.0),
        values.optional_number("slice_spacing_mm", 0.0, 100.0),
        values.text("kernel", default=""),
    )


def _calibration(record: Record) -> Calibration:
    return Calibration(
        record.spacing("spacing_mm"),
        record.choice("source", CALIBRATION_SOURCES),
        record.optional_number("magnification", low=0.1, high=10.0),
        record.number("aspect", record.get("aspect", 1.0), low=0.05, high=20.0),
    )


def _quality(record: Record) -> Quality:
    return Quality(
        record.choice("status", ("accepted", "flagged", "rejected")),
        tuple(
            Reason(reason.text("code"), reason.text("message"))
            for reason in record.records("reasons", "reason")
        ),
    )


def _naming(record: Record) -> Naming:
    shifts = record.record("shifts")
    levels = record.record("levels")
    return Naming(
        _probability(record, "probability"),
        record.optional_number("margin", 0.0, _FAR, default=math.inf),
        {_shift(shifts, name): _probability(shifts, name) for name in shifts.values},
        {name: _levels(levels.record(_level_name(levels, name))) for name in levels.values},
    )


def _levels(record: Record) -> dict[str, float]:
    return {_level_name(record, x): _probability(record, x) for x in record.values}


def _level_name(record: Record, name: str) -> str:
    if name not in LEVELS:
        raise record.fail("a field", name, "the name of a level")
    return name


def _shift(record: Record, name: str) -> int:
    if name not in _SHIFTS:
        raise record.fail("a field", name, f"one of {', '.join(_SHIFTS)}")
    return int(name)


def _probability(record: Record, name: str) -> float:
    return record.number(name, record.get(name), 0.0, 1.0)


def _vertebra(record: Record) -> Vertebra:
    named = record.record("points")
    unknown = [name for name in named.values if name not in POINTS]
    if unknown:
        raise record.fail("points", unknown[0], f"the names {', '.join(POINTS)}")
    points = [
        [math.nan] * 2 if named.get(name, None) is None else named.numbers(name, 2, -_FAR, _FAR)
        for name in POINTS
    ]
    return Vertebra(
        record.choice("level", LEVELS),
        np.array(points),
        _covariance(record),
        record.optional_number("level_probability", 0.0, 1.0, default=math.nan),
        record.optional_number("confidence", 0.0, 1.0, default=math.nan),
        record.boolean("hardware", default=False),
        record.boolean("cement", default=False),
        _places(record),
    )


def _places(record: Record) -> FloatArray | None:
    """Points in the patient, None where there are none."""
    if record.get("points_mm", None) is None:
        return None
    named = record.record("points_mm")
    return np.array(
        [
            [math.nan] * 3 if named.get(name, None) is None else named.numbers(name, 3, -_FAR, _FAR)
            for name in POINTS
        ]
    )


def _covariance(record: Record) -> FloatArray | None:
    """The full matrix where it stands, else the blocks of the points, taken as uncorrelated."""
    rows = record.sequence("covariance_full", default=())
    if rows:
        if len(rows) != 12:
            raise record.fail("covariance_full", f"{len(rows)} rows", "12 rows of 12 numbers")
        matrix = Record({str(i): row for i, row in enumerate(rows)}, f"{record.where}: row")
        return np.array([matrix.numbers(str(i), 12, -_FAR, _FAR) for i in range(12)])
    blocks = record.record("covariance", default={})
    if not blocks.values:
        return None
    full = np.zeros((12, 12))
    for i, name in enumerate(POINTS):
        if blocks.get(name, None) is None:
            full[2 * i : 2 * i + 2] = full[:, 2 * i : 2 * i + 2] = np.nan
            continue
        pair = blocks.sequence(name)
        block = Record({str(j): row for j, row in enumerate(pair)}, f"{blocks.where}: {name}")
        full[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = [
            block.numbers(str(j), 2, -_FAR, _FAR) for j in range(2)
        ]
    return full


def _measurement(record: Record) -> Measurement:
    interval = (math.nan, math.nan)
    if record.get("interval90", None) is not None:
        low, high = record.numbers("interval90", 2, -_HUGE, _HUGE)
        interval = (low, high)
    return Measurement(
        name=record.text("name"),
        level=record.choice("level", LEVELS),
        between=record.texts("between"),
        value=record.optional_number("value", -_HUGE, _HUGE, default=math.nan),
        unit=record.text("unit"),
        se=record.optional_number("se", 0.0, _HUGE, default=math.nan),
        interval90=interval,
        flags=record.texts("flags"),
    )
