"""The six points of a vertebral body, with their covariance."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from endplate.errors import GeometryError
from endplate.geometry.levels import POINTS, check_level

__all__ = ["FloatArray", "Vertebra", "endplate_angle_deg", "point_index"]

FloatArray = npt.NDArray[np.float64]


def point_index(name: str) -> int:
    """Row of the point `name` in `Vertebra.points`."""
    return POINTS.index(name)


def endplate_angle_deg(points: FloatArray) -> float:
    """Angle from the superior to the inferior endplate of six points, (6, 2) pixels, in degrees.

    Its sign turns with the side that the patient faces: as a measure, with a sign of its own and an
    error, it is ``vertebral_kyphosis_deg``. NaN where a corner is missing.
    """
    upper, lower = points[2] - points[0], points[3] - points[5]
    turn = upper[0] * lower[1] - upper[1] * lower[0]
    return float(np.degrees(np.arctan2(turn, upper @ lower)))


@dataclass(frozen=True, eq=False)
class Vertebra:
    """One vertebral body on one image.

    Parameters
    ----------
    level : str
        One of `LEVELS`.
    points : (6, 2) array
        x (column), y (row) in pixels of the stored image, the centre of the top-left pixel
        being (0, 0), in the order of `POINTS`. NaN: not seen. S1 has superior points only.
    covariance : (12, 12) array or None
        Covariance of the points in pixels squared, flattened as x0, y0, x1, y1, ... Rows of
        missing points are NaN. None: nothing is known about the error.
    level_probability, confidence : float
        Probability of the level name, and of this being a vertebral body. NaN: not estimated.
    hardware, cement : bool
        Whether metal or cement was seen in this body.
    points_mm : (6, 3) array or None
        The points in the patient, LPS mm, in the order of `POINTS`; NaN: not seen. None where
        the image is a projection.
    """

    level: str
    points: FloatArray
    covariance: FloatArray | None = None
    level_probability: float = float("nan")
    confidence: float = float("nan")
    hardware: bool = False
    cement: bool = False
    points_mm: FloatArray | None = None

    def __post_init__(self) -> None:
        check_level(self.level)
        points = np.array(self.points, dtype=np.float64)
        if points.shape != (6, 2):
            raise GeometryError(f"points of {self.level}: shape {points.shape}, expected (6, 2)")
        if np.isinf(points).any():
            raise GeometryError(f"points of {self.level} hold an infinite value")
        points[np.isnan(points).any(axis=1)] = np.nan
        points.flags.writeable = False
        object.__setattr__(self, "points", points)
        if self.covariance is not None:
            cov = np.array(self.covariance, dtype=np.float64)
            if cov.shape != (12, 12):
                raise GeometryError(
                    f"covariance of {self.level}: shape {cov.shape}, expected (12, 12)"
                )
            cov.flags.writeable = False
            object.__setattr__(self, "covariance", cov)
        if self.points_mm is not None:
            places = np.array(self.points_mm, dtype=np.float64)
            if places.shape != (6, 3) or np.isinf(places).any():
                raise GeometryError(
                    f"points_mm of {self.level}: shape {places.shape}; expected (6, 3), finite"
                )
            places[np.isnan(places).any(axis=1)] = np.nan
            places.flags.writeable = False
            object.__setattr__(self, "points_mm", places)

    @classmethod
    def from_mapping(cls, level: str, points: Mapping[str, tuple[float, float]]) -> "Vertebra":
        """Make a vertebra from named points; those not named are missing."""
        array = np.full((6, 2), np.nan)
        for name, xy in points.items():
            array[point_index(name)] = xy
        return cls(level, array)

    def point(self, name: str) -> FloatArray:
        """(2,) array x, y of one point, NaN if missing."""
        out: FloatArray = self.points[point_index(name)]
        return out

    def has(self, *names: str) -> bool:
        """Whether all the named points were seen."""
        return not any(np.isnan(self.point(n)).any() for n in names)

    @property
    def centre(self) -> FloatArray:
        """(2,) mean of the points that were seen among the four corners (S1: of two)."""
        corners = self.points[[0, 2, 3, 5]]
        seen = corners[~np.isnan(corners).any(axis=1)]
        if len(seen) == 0:
            return np.full(2, np.nan)
        out: FloatArray = seen.mean(axis=0)
        return out

    @property
    def depth_px(self) -> float:
        """Length of the superior endplate in pixels, NaN if a corner is missing."""
        return float(np.hypot(*(self.points[0] - self.points[2])))
