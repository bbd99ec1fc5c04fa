"""The disc above each level, and the slip of the level above on it."""

import numpy as np

from endplate.geometry.calibration import Calibration
from endplate.geometry.column import Column, Grade, level_column
from endplate.geometry.dual import Dual, hypot
from endplate.geometry.heights import length_flags
from endplate.geometry.settings import MeasureSettings
from endplate.geometry.stack import Stack

__all__ = ["disc_columns", "meyerding_grade"]

_DISC = (("inf", "next_above"), ("sup", "self"))


def meyerding_grade(translation_pct: float, slip_pct: float = 5.0) -> float:
    """Meyerding grade 0 to 5 of a slip, forward or backward; 0 below `slip_pct`, NaN for NaN.

    I to 25 %, II to 50 %, III to 75 %, IV to 100 %, V beyond.
    """
    if np.isnan(translation_pct):
        return float("nan")
    size = abs(translation_pct)
    if size < slip_pct:
        return 0.0
    return float(min(max(int(np.ceil(size / 25.0)), 1), 5))


def disc_columns(stack: Stack, calibration: Calibration, settings: MeasureSettings) -> list[Column]:
    """Heights of the disc above, Farfan's ratio, and the translation across it."""
    n = stack.n
    above = stack.points[stack.roles["next_above"].index]
    here = stack.points[:n]
    anterior = hypot(here[:, 0] - above[:, 5])
    posterior = hypot(here[:, 2] - above[:, 3])
    depth_above = stack.depths["inf"][stack.roles["next_above"].index]
    depth = (depth_above + stack.depths["sup"][:n]) * 0.5
    farfan = (anterior + posterior) / depth
    columns = [level_column(stack, "disc_above_farfan", "ratio", farfan, _DISC)]
    if calibration.is_metric:
        flags = length_flags(calibration)
        for name, value in (
            ("disc_above_ant_mm", anterior),
            ("disc_above_post_mm", posterior),
            ("disc_above_mean_mm", (anterior + posterior) * 0.5),
        ):
            columns.append(level_column(stack, name, "mm", value, _DISC, extra=flags))
    return columns + _translation(stack, above, here, calibration, settings)


def _translation(
    stack: Stack, above: Dual, here: Dual, calibration: Calibration, settings: MeasureSettings
) -> list[Column]:
    """Slip of the level above along the endplate below it, forward positive."""
    endplate = here[:, 0] - here[:, 2]
    along = ((above[:, 3] - here[:, 2]) * endplate).sum(axis=1)
    squared = (endplate * endplate).sum(axis=1)
    percent = along / squared * 100.0
    backward = percent.value <= -settings.slip_pct
    grade = Grade(
        "meyerding_grade",
        lambda x: meyerding_grade(x, settings.slip_pct),
        tuple(("retrolisthesis",) if x else () for x in backward),
    )
    columns = [level_column(stack, "translation_above_pct", "%", percent, _DISC, grade=grade)]
    if calibration.is_metric:
        columns.append(
            level_column(
                stack,
                "translation_above_mm",
                "mm",
                along / hypot(endplate),
                _DISC,
                extra=length_flags(calibration),
            )
        )
    return columns
