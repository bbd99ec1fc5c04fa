"""All measurements of one image: the main entrance of the geometry."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from endplate.geometry.angles import angle_columns, curve_columns
from endplate.geometry.calibration import Calibration
from endplate.geometry.column import Column, measurements_of
from endplate.geometry.discs import disc_columns
from endplate.geometry.dual import Dual, concatenate
from endplate.geometry.heights import height_columns
from endplate.geometry.landmarks import FloatArray, Vertebra
from endplate.geometry.levels import check_level
from endplate.geometry.measurement import Measurement
from endplate.geometry.physiology import DEFAULT, Physiology
from endplate.geometry.settings import DEFAULT_SETTINGS, MeasureSettings
from endplate.geometry.stack import build_stack
from endplate.geometry.uncertainty import propagate

__all__ = [
    "HEADLINE",
    "headline_measurements",
    "measure",
    "measurement_gradients",
    "worst_level",
]

#: What a surgeon asks first of an injured level, in the order of a report.
HEADLINE: Final[tuple[str, ...]] = (
    "vertebral_kyphosis_deg",
    "TVK_deg",
    "regional_kyphosis_deg",
    "ART_deg",
    "gardner_mono_above_deg",
    "farcy_sagittal_index_deg",
    "loss_ant_pct",
    "loss_mid_pct",
    "loss_post_pct",
    "max_height_loss_pct",
    "genant_grade_from_max_loss",
    "Ha_Hp",
)

#: Curves of the headline; given whatever the index level.
_HEADLINE_CURVES: Final = (
    "thoracolumbar_T10_L2_deg",
    "thoracic_kyphosis_T4_T12_deg",
    "lordosis_L1_S1_deg",
)


def measure(
    vertebrae: Sequence[Vertebra],
    calibration: Calibration,
    *,
    index_level: str | None = None,
    physiology: Physiology = DEFAULT,
    settings: MeasureSettings = DEFAULT_SETTINGS,
    covariance: FloatArray | None = None,
) -> tuple[Measurement, ...]:
    """Measure one image.

    Parameters
    ----------
    vertebrae : sequence of Vertebra
        Head to foot. A level that lacks between two others is a missing neighbour of both.
    calibration : Calibration
        Without a spacing there are no millimetres, only degrees, ratios and percentages.
    index_level : str, optional
        The injured level. Measures of its neighbours that rest on it are flagged, and it is no
        reference for their predicted heights. Nothing is left out.
    physiology : Physiology
        Normal values for ART, TVK and predicted heights.
    settings : MeasureSettings
        Choices that the literature leaves open.
    covariance : (12 N, 12 N) array, optional
        Joint covariance of all points in pixels squared, in the order of `vertebrae`, where
        errors of different vertebrae are correlated. By default each vertebra's own
        covariance is used, independent of the others.

    Returns
    -------
    tuple of Measurement
        Level by level, head to foot, then the curves. Each level has each measure that its
        anatomy allows (the sacrum has few); a value that cannot be had is NaN, and flags say
        why. Curves are given if both end levels are among `vertebrae`. Measures in millimetres
        are given only with a spacing.

    Raises
    ------
    GeometryError
        If the levels are out of order or come twice, or `covariance` has the wrong shape.
    UnknownName
        If `index_level` is no level.
    """
    has_error = covariance is not None or any(v.covariance is not None for v in vertebrae)
    # Missing points are NaN, and a body may be degenerate: both end as NaN values.
    with np.errstate(all="ignore"):
        stack = build_stack(vertebrae, calibration, index_level, settings, with_gradient=has_error)
        if not vertebrae:
            return ()
        by_level = [
            *angle_columns(stack, physiology, settings),
            *height_columns(stack, physiology, calibration),
            *disc_columns(stack, calibration, settings),
        ]
        curves = curve_columns(stack)
        measured: list[Measurement] = []
        for columns in (by_level, curves):
            if columns:
                se = _standard_errors(columns, vertebrae, covariance, has_error)
                measured += measurements_of(columns, se)
    return tuple(measured)


def measurement_gradients(
    vertebrae: Sequence[Vertebra],
    calibration: Calibration,
    *,
    index_level: str | None = None,
    physiology: Physiology = DEFAULT,
    settings: MeasureSettings = DEFAULT_SETTINGS,
) -> dict[tuple[str, str], FloatArray]:
    """Derivatives of the measures that each level has, for errors that films share.

    Parameters
    ----------
    vertebrae, calibration, index_level, physiology, settings
        As for `measure`.

    Returns
    -------
    dict of (12 N,) arrays
        By name and level: slope by the points in pixels. Undefined measures are left out.
    """
    if not vertebrae:
        return {}
    with np.errstate(all="ignore"):
        stack = build_stack(vertebrae, calibration, index_level, settings, with_gradient=True)
        columns = [
            *angle_columns(stack, physiology, settings),
            *height_columns(stack, physiology, calibration),
        ]
    out: dict[tuple[str, str], FloatArray] = {}
    for column in columns:
        slopes = np.nan_to_num(column.quantity.grad, nan=0.0, posinf=0.0, neginf=0.0)
        known = np.isfinite(column.quantity.value) & np.isfinite(column.quantity.grad).all(axis=1)
        for level, slope, usable in zip(column.levels, slopes, known, strict=False):
            if usable:
                out[column.name, level] = slope
    return out


def _standard_errors(
    columns: Sequence[Column],
    vertebrae: Sequence[Vertebra],
    covariance: FloatArray | None,
    has_error: bool,
) -> FloatArray:
    quantity: Dual = concatenate([c.quantity for c in columns])
    if not has_error:
        return np.full(len(quantity.value), np.nan)
    return propagate(quantity.grad, vertebrae, covariance)


def worst_level(measurements: Sequence[Measurement]) -> str | None:
    """Level with the greatest height loss of Genant-type grade 1 or more, None if there is none."""
    graded = {m.level for m in measurements if m.name == "genant_grade_from_max_loss" and m.value}
    losses = [
        m
        for m in measurements
        if m.name == "max_height_loss_pct" and m.level in graded and not np.isnan(m.value)
    ]
    return max(losses, key=lambda m: m.value).level if losses else None


def headline_measurements(
    measurements: Sequence[Measurement], index_level: str | None = None
) -> tuple[Measurement, ...]:
    """The handful that a surgeon asks for first.

    Parameters
    ----------
    measurements : sequence of Measurement
        Of one image.
    index_level : str, optional
        The injured level; by default `worst_level`.

    Returns
    -------
    tuple of Measurement
        `HEADLINE` of the index level, in that order, then the main curves. Without an index
        level the curves alone.

    Raises
    ------
    UnknownName
        If `index_level` is no level.
    """
    if index_level is not None:
        check_level(index_level)
    level = index_level or worst_level(measurements)
    of_level = {m.name: m for m in measurements if m.level == level}
    curves = {m.name: m for m in measurements if m.name in _HEADLINE_CURVES}
    chosen = [of_level[x] for x in HEADLINE if x in of_level]
    return (*chosen, *(curves[x] for x in _HEADLINE_CURVES if x in curves))
