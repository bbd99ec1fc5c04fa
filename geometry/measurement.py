"""One measured number, with its unit, its error and where it was measured."""

import math
from dataclasses import dataclass

__all__ = ["Measurement"]


@dataclass(frozen=True, slots=True)
class Measurement:
    """A measured number.

    Parameters
    ----------
    name : str
        Such as ``"vertebral_kyphosis_deg"``.
    level : str
        The index level of the measure; for a curve its upper end.
    between : tuple of str
        The landmarks measured, such as ``("sup(T12)", "inf(L2)")``.
    value : float
        NaN if undefined; `flags` then say why.
    unit : str
        ``deg``, ``mm``, ``ratio``, ``%``, ``grade`` or ``mm2``.
    se : float
        Standard error in `unit`, NaN if the covariance of a point is unknown.
    interval90 : (low, high)
        90 % interval in `unit`, NaN with `se`. A grade has no `se`; its interval is that of the
        grades of the ends of the interval that it was read off.
    flags : tuple of str
        Codes such as ``"level_above_fractured"``.
    """

    name: str
    level: str
    between: tuple[str, ...]
    value: float
    unit: str
    se: float = math.nan
    interval90: tuple[float, float] = (math.nan, math.nan)
    flags: tuple[str, ...] = ()
