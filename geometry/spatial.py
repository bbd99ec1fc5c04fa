"""How a body stands in space, and what a plain projection makes of its wedge."""

from dataclasses import dataclass

import numpy as np

from endplate.geometry.landmarks import FloatArray, Vertebra
from endplate.geometry.measurement import Measurement
from endplate.geometry.uncertainty import Z90

__all__ = ["SPATIAL_MEASURES", "spatial_measurements", "wedge_in_plane"]

#: Names of the measures of this module.
SPATIAL_MEASURES = (
    "own_plane_kyphosis_deg",
    "projected_kyphosis_deg",
    "projection_effect_deg",
    "coronal_tilt_deg",
    "sagittal_tilt_deg",
    "axial_rotation_deg",
)


@dataclass(frozen=True, slots=True)
class _Tilts:
    coronal: float
    sagittal: float
    axial: float


def spatial_measurements(
    vertebra: Vertebra,
    axes: FloatArray,
    whole: FloatArray,
    sd_mm: float = float("nan"),
    turn_sd: tuple[float, float] = (float("nan"), float("nan")),
) -> tuple[Measurement, ...]:
    """Wedge in the body's own mid-sagittal plane and in projection, tilts and rotation.

    Parameters
    ----------
    vertebra : Vertebra
        With `points_mm`; S1, which has no inferior endplate, has only tilts.
    axes : (3, 3) array
        Rows: unit vectors to the left, front and up of this body.
    whole : (3, 3) array
        The same of the spine as a whole: its left, front and up. The plain projection is along
        its left.
    sd_mm : float
        Standard deviation of a coordinate of a point, mm; NaN if not known.
    turn_sd : (coronal, axial)
        Standard deviations of the two turns of `axes` that points of one plane do not tell,
        degrees; NaN if not known.

    Returns
    -------
    tuple of Measurement
        Kyphosis is positive. Coronal tilt: positive, the body's top leans to the patient's
        left. Sagittal tilt: positive, it leans to the front. Axial rotation: positive, its
        front turns to the left. The standard errors of the two kyphoses follow from `sd_mm`,
        and sagittal tilt, being the mean of the directions of both endplates, has half that of
        the kyphosis; the effect of projection has none.
    """
    if vertebra.points_mm is None:
        return ()
    own = wedge_in_plane(vertebra.points_mm, axes)
    plain = wedge_in_plane(vertebra.points_mm, whole)
    tilts = _tilts(axes, whole)
    pair = (f"sup({vertebra.level})", f"inf({vertebra.level})")
    values = (own, plain, plain - own, tilts.coronal, tilts.sagittal, tilts.axial)
    between = pair if not np.isnan(own) else pair[:1]
    se_own, se_plain = (_wedge_se(vertebra.points_mm, a, sd_mm) for a in (axes, whole))
    errors = (se_own, se_plain, np.nan, turn_sd[0], se_own / 2, turn_sd[1])
    return tuple(
        Measurement(
            name,
            vertebra.level,
            between,
            value,
            "deg",
            se,
            (value - Z90 * se, value + Z90 * se),
        )
        for name, value, se in zip(SPATIAL_MEASURES, values, errors, strict=True)
        if not np.isnan(value)
    )


def wedge_in_plane(points_mm: FloatArray, axes: FloatArray) -> float:
    """Kyphosis of a body, in degrees, after projection along the first row of `axes`.

    Parameters
    ----------
    points_mm : (6, 3) array
        In the order of `POINTS`.
    axes : (3, 3) array
        Rows: left, front, up.

    Returns
    -------
    float
        Positive if the body is lower in front; NaN if a corner is missing.
    """
    front, up = (points_mm @ axes[1:].T).T
    upper = np.array([front[0] - front[2], up[0] - up[2]])
    lower = np.array([front[5] - front[3], up[5] - up[3]])
    turn = np.arctan2(lower[1], lower[0]) - np.arctan2(upper[1], upper[0])
    return float(np.degrees((turn + np.pi) % (2 * np.pi) - np.pi))


def _wedge_se(points_mm: FloatArray, axes: FloatArray, sd_mm: float) -> float:
    """Standard error of `wedge_in_plane` in degrees, the corners being independent."""
    plane = points_mm @ axes[1:].T
    lengths = [float(np.linalg.norm(plane[a] - plane[b])) for a, b in ((0, 2), (5, 3))]
    if not min(lengths) > 0:
        return float("nan")
    return float(np.degrees(sd_mm * np.sqrt(sum(2 / length**2 for length in lengths))))


def _tilts(axes: FloatArray, whole: FloatArray) -> _Tilts:
    up = whole @ axes[2]
    front = whole @ axes[1]
    return _Tilts(
        float(np.degrees(np.arctan2(up[0], up[2]))),
        float(np.degrees(np.arctan2(up[1], up[2]))),
        float(np.degrees(np.arctan2(front[0], front[1]))),
    )
