"""Points of a CT in the patient: where edited ones lie, and how their bodies stand."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from endplate.checked import Record
from endplate.geometry.landmarks import FloatArray, Vertebra
from endplate.geometry.levels import level_index
from endplate.geometry.measurement import Measurement
from endplate.geometry.spatial import SPATIAL_MEASURES, spatial_measurements
from endplate.imaging.ct.slab import Slab
from endplate.study.reading import Reading

__all__ = ["asides_of", "places_of", "spatial_of"]

#: How far aside of the sheet a point may be placed, mm.
_FAR_ASIDE: Final = 60.0


def asides_of(vertebra: Vertebra, slab: Slab) -> list[float | None]:
    """How many mm to the left of the sheet each point of a CT lies, None where not seen."""
    if vertebra.points_mm is None:
        return [None] * 6
    on = slab.to_patient(np.array(vertebra.points))
    left = slab.to_patient(np.array(vertebra.points), 1.0) - on
    apart = np.einsum("ij,ij->i", vertebra.points_mm - on, left)
    return [round(float(x), 1) if np.isfinite(x) else None for x in apart]


def spatial_of(
    bodies: Sequence[Vertebra], base: Reading, slab: Slab | None
) -> tuple[Measurement, ...]:
    """How bodies stand in space: as it was for those not touched, anew for the others."""
    places = {v.level: v.points_mm for v in base.vertebrae if v.points_mm is not None}
    out: list[Measurement] = []
    for body in sorted(bodies, key=lambda v: level_index(v.level)):
        if body.points_mm is None:
            continue
        before = places.get(body.level)
        if before is not None and np.array_equal(before, body.points_mm, equal_nan=True):
            known = (m for m in base.measurements if m.level == body.level)
            out += [m for m in known if m.name in SPATIAL_MEASURES]
        elif slab is not None:
            out += spatial_measurements(body, slab.axes_of(body.points), slab.line.axes)
    return tuple(out)


def places_of(
    record: Record,
    points: FloatArray,
    before: FloatArray | None,
    moved: Any,
    slab: Slab | None,
) -> FloatArray | None:
    """Points in the patient: as they were, and where the reader moved them by the slab's map."""
    if slab is None:
        return None if moved.any() else before
    given = record.get("aside", None)
    aside = np.zeros(6)
    if given is not None:
        aside = np.nan_to_num(np.array(record.numbers("aside", 6, -_FAR_ASIDE, _FAR_ASIDE)))
    places = slab.to_patient(points, aside)
    if before is not None:
        same = ~np.asarray(moved) & np.isfinite(points[:, 0])
        places[same] = before[same]
    return places
