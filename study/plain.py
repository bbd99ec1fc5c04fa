"""Numbers and measurements as plain JSON values: missing is null."""

import math
from typing import Any

from endplate.geometry.measurement import Measurement

__all__ = ["measurement_to_dict", "plain_number"]


def plain_number(value: float, digits: int = 6) -> float | None:
    """Rounded number, None if it is NaN or infinite."""
    return round(float(value), digits) if math.isfinite(value) else None


def measurement_to_dict(measurement: Measurement) -> dict[str, Any]:
    """A measurement in the form that it has in a reading."""
    return {
        "name": measurement.name,
        "level": measurement.level,
        "between": list(measurement.between),
        "value": plain_number(measurement.value),
        "unit": measurement.unit,
        "se": plain_number(measurement.se),
        "interval90": None
        if math.isnan(measurement.interval90[0])
        else [plain_number(x) for x in measurement.interval90],
        "flags": list(measurement.flags),
    }
