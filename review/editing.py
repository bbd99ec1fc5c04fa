"""What the browser sends of an edited film, checked, as values of the geometry; and back."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np

from endplate.checked import Record
from endplate.errors import InputError
from endplate.geometry.calibration import Calibration
from endplate.geometry.landmarks import FloatArray, Vertebra
from endplate.geometry.levels import LEVELS, level_index
from endplate.geometry.measure import measure
from endplate.geometry.measurement import Measurement
from endplate.geometry.settings import MeasureSettings
from endplate.imaging.ct.slab import Slab
from endplate.review.in_space import places_of, spatial_of
from endplate.study.factors import factors_of, with_factors
from endplate.study.plain import measurement_to_dict
from endplate.study.reading import Reading, Reason

__all__ = [
    "BRIEF",
    "MANUAL_SD",
    "MOVED",
    "POSITIONS",
    "Edit",
    "Snapped",
    "calibration_of",
    "mark_reasons",
    "marks_of",
    "measure_edit",
    "measurements_to_wire",
    "read_edit",
    "vertebra_to_wire",
]

#: Standard error of a point placed by hand, along each axis, in depths of the body. Two readers
#: of public lumbar films differ by 1.0 % of the depth (robust, each reader's share); films with
#: implants and poor contrast are harder, so twice that is taken.
MANUAL_SD: Final = 0.02
#: Measures that the page shows of every level.
BRIEF: Final = ("vertebral_kyphosis_deg", "regional_kyphosis_deg", "max_height_loss_pct")
POSITIONS: Final = ("standing", "erect", "sitting", "supine", "prone", "recumbent", "decubitus")
#: Pixels below which a point is where it was.
MOVED: Final = 2e-3
_MOST_BODIES: Final = 30
_FRACTURE: Final = "fracture_"
_INDEX: Final = "index_"


class Snapped(Protocol):
    """Vertebrae that the refiner placed, by the token that the browser got for them."""

    def get(self, token: str) -> Vertebra | None:
        """The vertebra, None if the token is not known."""


@dataclass(frozen=True, eq=False)
class Edit:
    """An edited film.

    Parameters
    ----------
    vertebrae : tuple of Vertebra
        Head to foot.
    calibration : Calibration
    fractured : tuple of str
        Levels that the reader marked.
    index_level : str or None
    position : str or None
    spatial : tuple of Measurement
        Of a CT: how its bodies stand in space.
    factors : mapping
        On the standard errors of measures, as in the reading that the edit starts from.
    places : tuple of (int or None)
        For each vertebra its place in that reading; None if it was not there.
    """

    vertebrae: tuple[Vertebra, ...]
    calibration: Calibration
    fractured: tuple[str, ...] = ()
    index_level: str | None = None
    position: str | None = None
    spatial: tuple[Measurement, ...] = ()
    factors: Mapping[str, float] = field(default_factory=dict)
    places: tuple[int | None, ...] = ()


def read_edit(record: Record, base: Reading, snapped: Snapped, slab: Slab | None = None) -> Edit:
    """Check what a browser sent.

    Parameters
    ----------
    record : Record
        ``vertebrae``, a list of objects with ``level``, ``points`` (six pairs or null),
        ``origin`` (``"r"`` and a place in the base reading, ``"s"`` and a token of the refiner,
        or null), ``hardware``, ``cement`` and ``fractured``; on a CT ``aside``, how many mm to the
        left of the sheet each point was placed; ``spacing_mm`` where the reader calibrated;
        ``position`` and ``index_level``.
    base : Reading
        Where the edit started.
    slab : Slab or None
        Of a CT: the map of its picture to the patient.

    Raises
    ------
    InputError
        If a field breaks its form.
    """
    items = record.records("vertebrae", "vertebra")
    if len(items) > _MOST_BODIES:
        raise record.fail("vertebrae", len(items), f"at most {_MOST_BODIES} bodies")
    size = (base.source.columns, base.source.rows)
    bodies = [_vertebra(item, base, snapped, size, slab) for item in items]
    order = sorted(range(len(bodies)), key=lambda i: level_index(bodies[i].level))
    levels = [v.level for v in bodies]
    twice = sorted({x for x in levels if levels.count(x) > 1}, key=level_index)
    if twice:
        raise InputError(f"two bodies are called {twice[0]}: rename or delete one")
    fractured = {i.choice("level", LEVELS) for i in items if i.boolean("fractured", default=False)}
    spacing = record.spacing("spacing_mm")
    return Edit(
        tuple(bodies[i] for i in order),
        base.calibration if spacing is None else Calibration(spacing, "fiducial"),
        tuple(sorted(fractured, key=level_index)),
        record.choice("index_level", LEVELS, default=None),
        record.choice("position", POSITIONS, default=None),
        spatial_of(bodies, base, slab),
        factors_of(base),
        tuple(_place(items[i]) for i in order),
    )


def measure_edit(edit: Edit) -> tuple[Measurement, ...]:
    """All measurements of an edit, by the same code that measures every reading."""
    others = tuple(x for x in edit.fractured if x != edit.index_level)
    plain = measure(
        edit.vertebrae,
        edit.calibration,
        index_level=edit.index_level,
        settings=MeasureSettings(fractured=others),
    )
    return (*with_factors(plain, edit.factors), *edit.spatial)


def calibration_of(
    first: tuple[float, float], second: tuple[float, float], mm: float, aspect: float
) -> tuple[float, float]:
    """Row and column spacing from two points whose distance is known.

    Parameters
    ----------
    first, second : (x, y)
        In pixels.
    mm : float
        Their distance in the plane of the spine.
    aspect : float
        Row spacing over column spacing, as it was.

    Raises
    ------
    InputError
        If the points are less than 20 pixels apart, or the spacing is out of bounds.
    """
    length = math.hypot(second[0] - first[0], (second[1] - first[1]) * aspect)
    if not length >= 20.0:
        raise InputError(
            "the two points are less than 20 pixels apart; a spacing from them is not exact enough"
        )
    if not 1.0 <= mm <= 1000.0:
        raise InputError(f"length {mm:g} mm: expected 1 to 1000")
    column = mm / length
    return Calibration((column * aspect, column), "fiducial").spacing_mm or (column, column)


def marks_of(reading: Reading) -> tuple[tuple[str, ...], str | None]:
    """Levels marked as fractured, and the index level, that a signed reading carries."""
    codes = [r.code for r in reading.quality.reasons]
    fractured = tuple(x for x in LEVELS if f"{_FRACTURE}{x}" in codes)
    index = next((x for x in LEVELS if f"{_INDEX}{x}" in codes), None)
    return fractured, index


def mark_reasons(edit: Edit) -> tuple[Reason, ...]:
    """The marks of an edit as reasons of the verdict, where `marks_of` finds them again."""
    marks = [
        Reason(f"{_FRACTURE}{x}", f"The reader marked {x} as fractured.") for x in edit.fractured
    ]
    if edit.index_level is not None:
        x = edit.index_level
        marks.append(Reason(f"{_INDEX}{x}", f"The reader named {x} as the index level."))
    return tuple(marks)


def vertebra_to_wire(
    vertebra: Vertebra, origin: str | None, fractured: bool = False
) -> dict[str, Any]:
    """A vertebra as the browser gets it, with the 2 x 2 covariance of each point."""
    full = vertebra.covariance
    blocks: list[list[float] | None] = [None] * 6
    if full is not None:
        for i in range(6):
            block = full[2 * i : 2 * i + 2, 2 * i : 2 * i + 2]
            if np.isfinite(block).all():
                blocks[i] = [float(block[0, 0]), float(block[0, 1]), float(block[1, 1])]
    return {
        "level": vertebra.level,
        "points": [
            None if np.isnan(p).any() else [round(float(p[0]), 3), round(float(p[1]), 3)]
            for p in vertebra.points
        ],
        "covariance": blocks,
        "origin": origin,
        "hardware": vertebra.hardware,
        "cement": vertebra.cement,
        "fractured": fractured,
        "probability": _plain(vertebra.level_probability),
    }


def measurements_to_wire(measurements: Sequence[Measurement]) -> list[dict[str, Any]]:
    """Measurements that have a value."""
    return [measurement_to_dict(m) for m in measurements if math.isfinite(m.value)]


def _plain(value: float) -> float | None:
    return round(float(value), 4) if math.isfinite(value) else None


def _vertebra(
    record: Record,
    base: Reading,
    snapped: Snapped,
    size: tuple[int, int],
    slab: Slab | None,
) -> Vertebra:
    level = record.choice("level", LEVELS)
    pairs = record.sequence("points")
    if len(pairs) != 6:
        raise record.fail("points", f"{len(pairs)} points", "six, those not seen null")
    points = np.full((6, 2), np.nan)
    inner = Record({str(i): p for i, p in enumerate(pairs)}, record.where)
    for i, pair in enumerate(pairs):
        if pair is not None:
            far = float(max(size))
            points[i] = inner.numbers(str(i), 2, -far, 2 * far)
    if np.isnan(points).all():
        raise record.fail("points", "none", "at least one point that was seen")
    origin = _origin(record, base, snapped)
    hardware = record.boolean("hardware", default=False)
    cement = record.boolean("cement", default=False)
    if origin is None:
        places = places_of(record, points, None, np.ones(6, dtype=bool), slab)
        error = _by_hand(points)
        return Vertebra(level, points, error, math.nan, math.nan, hardware, cement, places)
    moved = _moved(points, origin.points)
    return Vertebra(
        level,
        points,
        _mixed(points, moved, origin.covariance),
        origin.level_probability if level == origin.level else math.nan,
        origin.confidence,
        hardware,
        cement,
        places_of(record, points, origin.points_mm, moved, slab),
    )


def _place(record: Record) -> int | None:
    """Place in the base reading of a body that came from there, once `_origin` has checked it."""
    text = record.text("origin", default="")
    return int(text[1:]) if text.startswith("r") else None


def _origin(record: Record, base: Reading, snapped: Snapped) -> Vertebra | None:
    """What the points were before the reader touched them."""
    text = record.text("origin", default="")
    if not text:
        return None
    if text[0] == "s":
        return snapped.get(text[1:])
    if text[0] != "r" or not text[1:].isdecimal() or len(text) > 4:
        raise record.fail("origin", text, "r and a place in the reading, or s and a token")
    place = int(text[1:])
    if place >= len(base.vertebrae):
        raise record.fail("origin", text, f"a place below {len(base.vertebrae)}")
    return base.vertebrae[place]


def _moved(points: FloatArray, before: FloatArray) -> Any:
    """(6,) whether each point is elsewhere than before, or seen where it was not."""
    apart = np.hypot(*(points - before).T)
    return ~(apart <= MOVED) & np.isfinite(points[:, 0])


def _by_hand(points: FloatArray) -> FloatArray:
    """Covariance of points placed by hand."""
    variance = (MANUAL_SD * _depth(points)) ** 2
    out: FloatArray = np.eye(12) * variance
    unseen = np.repeat(np.isnan(points[:, 0]), 2)
    out[unseen] = np.nan
    out[:, unseen] = np.nan
    return out


def _mixed(points: FloatArray, moved: Any, before: FloatArray | None) -> FloatArray | None:
    """Covariance in which moved points have a reader's error, independent of the others."""
    if before is None:
        return None
    out: FloatArray = np.array(before)
    depth = _depth(points)
    for i in np.flatnonzero(moved):
        rows = slice(2 * i, 2 * i + 2)
        out[rows, :] = out[:, rows] = 0.0
        out[rows, rows] = np.eye(2) * (MANUAL_SD * depth) ** 2
    unseen = np.repeat(np.isnan(points[:, 0]), 2)
    out[unseen] = np.nan
    out[:, unseen] = np.nan
    return out


def _depth(points: FloatArray) -> float:
    """Body depth in pixels, from whichever endplate was seen whole."""
    both = [np.hypot(*(points[a] - points[b])) for a, b in ((0, 2), (5, 3))]
    seen = [float(d) for d in both if np.isfinite(d)]
    return float(np.mean(seen)) if seen else 40.0
