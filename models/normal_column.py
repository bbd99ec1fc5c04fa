"""What a usual column looks like from the side, by level (NumPy only).

Steps, sizes and angles from one level to the next follow from mean heights, depths and wedges
of bodies and discs of adults, rounded from the literature (Panjabi and others 1991 and 1992 for
bodies; Bernhardt and Bridwell 1989 and Zhang and others 2018 for angles and discs). They
are no norms: the naming only asks which names fit a column better than others.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np

from endplate.geometry.landmarks import FloatArray
from endplate.geometry.levels import REGULAR_LEVELS
from endplate.models.decode import CLASSES

__all__ = ["ANGLES", "BELOW", "LOG_SIZES", "REACH", "STEPS", "TILTS"]

#: Most levels that one step may go down.
REACH: Final = 3
_TO_SACRUM: Final = 0.64
"""From the centre of the lowest lumbar body to the sacral endplate, in depths."""

# level: height in the middle, depth, wedge of the body, height and wedge of the disc below;
# millimetres, degrees, kyphosis positive
_BODIES: Final[Mapping[str, tuple[float, float, float, float, float]]] = {
    "C7": (13.5, 17.3, 1.0, 4.8, -5.0),
    "T1": (14.4, 19.1, 2.0, 4.0, 1.0),
    "T2": (15.6, 20.6, 2.5, 3.8, 1.0),
    "T3": (15.8, 23.0, 3.0, 3.7, 1.2),
    "T4": (16.0, 23.9, 3.3, 3.7, 1.5),
    "T5": (16.3, 25.1, 3.5, 4.0, 1.7),
    "T6": (17.0, 26.5, 3.7, 4.4, 1.7),
    "T7": (17.5, 28.0, 3.7, 4.7, 1.5),
    "T8": (18.0, 28.7, 3.5, 5.0, 1.2),
    "T9": (18.7, 30.2, 3.0, 5.4, 0.8),
    "T10": (20.0, 31.1, 2.3, 6.0, 0.5),
    "T11": (21.1, 31.9, 2.5, 6.7, -0.3),
    "T12": (22.5, 33.1, 2.9, 7.6, -1.8),
    "L1": (23.9, 34.7, 2.3, 8.6, -5.0),
    "L2": (24.8, 34.8, 0.6, 9.5, -7.5),
    "L3": (24.9, 35.0, -0.8, 10.4, -9.0),
    "L4": (24.8, 34.7, -2.7, 11.2, -12.0),
    "L5": (24.2, 34.0, -8.0, 10.1, -14.5),
}
_SACRAL_DEPTH: Final = 33.0
_SACRAL_SLOPE: Final = 40.0


def _same(level: str) -> str:
    """The row of the table that stands for a level."""
    return {"T13": "T12", "L6": "L5", CLASSES[-1]: "C7"}.get(level, level)


def _next(level: str) -> str | None:
    """The level below in a regular column."""
    if level == CLASSES[-1]:
        return "C7"
    place = REGULAR_LEVELS.index(_same(level)) + 1
    return REGULAR_LEVELS[place] if place < len(REGULAR_LEVELS) else None


def _one_step(level: str) -> tuple[float, float, float]:
    """Step in depths, log of the next depth over this, and change of tilt, one level down."""
    below = _next(level)
    if below is None:
        return 0.0, 0.0, 0.0
    height, depth, wedge, disc, disc_wedge = _BODIES[_same(level)]
    if below == "S1":
        return _TO_SACRUM, float(np.log(_SACRAL_DEPTH / depth)), -wedge / 2 - disc_wedge
    other_height, other_depth, other_wedge, _, _ = _BODIES[below]
    step = (height / 2 + disc + other_height / 2) / (0.5 * (depth + other_depth))
    return step, float(np.log(other_depth / depth)), -(wedge + other_wedge) / 2 - disc_wedge


def _steps_down() -> FloatArray:
    """(3, REACH, levels): steps, log sizes and angles of 1, 2, ... levels down."""
    out = np.zeros((3, REACH, len(CLASSES)))
    for column, start in enumerate(CLASSES):
        level: str | None = start
        total = np.zeros(3)
        for k in range(REACH):
            if level is not None:
                total = total + np.array(_one_step(level))
                level = _next(level)
            out[:, k, column] = total
    return out


def _tilts() -> FloatArray:
    """(levels,) tilt of each body, degrees, positive where the front is lower."""
    tilt = {"S1": _SACRAL_SLOPE}
    for level in reversed(REGULAR_LEVELS[:-1]):
        below = _next(level)
        assert below is not None
        tilt[level] = tilt[below] - _one_step(level)[2]
    return np.array([tilt[_same(level)] for level in CLASSES])


def _below() -> FloatArray:
    """(levels, most) depths from the centre of each level to those below; inf beyond the sacrum."""
    out = np.full((len(CLASSES), len(REGULAR_LEVELS)), np.inf)
    for row, start in enumerate(CLASSES):
        level: str | None = start
        total, k = 0.0, 0
        while level is not None and (after := _next(level)) is not None:
            total += _one_step(level)[0]
            out[row, k] = total
            level, k = after, k + 1
    return out


STEPS, LOG_SIZES, ANGLES = _steps_down()
"""(REACH, levels): distance in depths between the centres of a level and the one 1, 2, 3 below
(the sacral endplate counts as a centre), logarithm of the ratio of their depths, and angle
between them in degrees, positive where the lower one leans further forward."""
TILTS: Final = _tilts()
BELOW: Final = _below()
