"""Fitted factors on the standard errors of a reading's measures, told from the reading itself.

The error of a measure follows from those of the points, times a factor that was fitted on films
(`endplate.train.calibrate_measures`) or on slabs of CTs. Who measures a reading anew, because a
point was moved or a level renamed, applies the same factors: else bodies that nobody touched would
change their intervals.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Final

from endplate.geometry.measure import measure
from endplate.geometry.measurement import Measurement
from endplate.geometry.uncertainty import rescaled
from endplate.study.reading import Reading

__all__ = ["factors_of", "with_factors"]

#: Decimals that factors are fitted to.
_DIGITS: Final = 3


def factors_of(reading: Reading) -> dict[str, float]:
    """Factor of each measure: standard errors as stated over those of the points alone.

    The median over levels; measures without a standard error have none. Readings that were made
    without factors, such as those of landmarks placed by hand, give 1.
    """
    plain = {
        (m.name, m.level, m.between): m.se
        for m in measure(reading.vertebrae, reading.calibration)
        if m.se > 0
    }
    ratios: dict[str, list[float]] = {}
    for m in reading.measurements:
        own = plain.get((m.name, m.level, m.between))
        if own is not None and math.isfinite(m.se):
            ratios.setdefault(m.name, []).append(m.se / own)
    return {name: round(median(values), _DIGITS) for name, values in ratios.items()}


def with_factors(
    measurements: Sequence[Measurement], factors: Mapping[str, float]
) -> tuple[Measurement, ...]:
    """The same values with their standard errors times the factor of each measure."""
    return tuple(rescaled(m, factors.get(m.name, 1.0)) for m in measurements)
