"""Pixel spacing and where it comes from."""

import math
from dataclasses import dataclass
from typing import Final

from endplate.errors import InputError, UnknownName

__all__ = ["CALIBRATION_SOURCES", "UNCALIBRATED", "Calibration"]

#: Where a spacing may come from, the most trustworthy first.
CALIBRATION_SOURCES: Final[tuple[str, ...]] = (
    "user",
    "fiducial",
    "geometry",
    "magnification",
    "detector",
    "unknown",
    "ct",
    "none",
)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Spacing of a stored image.

    Parameters
    ----------
    spacing_mm : (row, column) or None
        Distance of neighbouring rows and of neighbouring columns in mm, the order of DICOM
        PixelSpacing. None when nothing is known; angles then assume square pixels, or the
        aspect given in `aspect`.
    source : str
        One of `CALIBRATION_SOURCES`. ``"detector"`` means millimetres in the detector plane,
        larger than those of the spine by the unknown magnification.
    magnification : float or None
        Magnification that was divided out of `spacing_mm`, where it was known.
    aspect : float
        Row spacing over column spacing where `spacing_mm` is None.

    Raises
    ------
    InputError
        If a spacing is not finite, not positive or outside 0.001 to 20 mm.
    """

    spacing_mm: tuple[float, float] | None
    source: str
    magnification: float | None = None
    aspect: float = 1.0

    def __post_init__(self) -> None:
        if self.source not in CALIBRATION_SOURCES:
            raise UnknownName("calibration source", self.source, CALIBRATION_SOURCES)
        if (self.spacing_mm is None) != (self.source == "none"):
            raise InputError(
                f"calibration source {self.source!r} does not go with spacing {self.spacing_mm}"
            )
        if self.spacing_mm is not None:
            for value in self.spacing_mm:
                if not (math.isfinite(value) and 0.001 <= value <= 20.0):
                    raise InputError(
                        f"pixel spacing {self.spacing_mm} mm: expected two numbers"
                        " from 0.001 to 20 (row, column)"
                    )
        if not (math.isfinite(self.aspect) and 0.05 <= self.aspect <= 20.0):
            raise InputError(f"pixel aspect ratio {self.aspect}: expected 0.05 to 20")

    @property
    def scale_xy(self) -> tuple[float, float]:
        """Factors for x (columns) and y (rows): mm per pixel, or 1 and the aspect if unknown."""
        if self.spacing_mm is None:
            return (1.0, self.aspect)
        row, column = self.spacing_mm
        return (column, row)

    @property
    def is_metric(self) -> bool:
        """Whether lengths may be given in millimetres."""
        return self.spacing_mm is not None


UNCALIBRATED: Final[Calibration] = Calibration(None, "none")
