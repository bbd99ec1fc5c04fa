"""Measures of a subject's films from points that were estimated together."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from endplate.errors import UnknownName
from endplate.geometry.landmarks import FloatArray
from endplate.geometry.measure import measure, measurement_gradients
from endplate.geometry.measurement import Measurement
from endplate.geometry.physiology import Physiology
from endplate.geometry.settings import MeasureSettings
from endplate.study.joint_estimate import JointEstimate, JointEstimateSettings, estimate_jointly
from endplate.study.reading import Reading

__all__ = ["ESTIMATES", "MeasuredFilms", "measure_films"]

#: How the films of a subject are measured: ``auto`` is ``joint`` where a model read them all.
ESTIMATES: Final = ("auto", "joint", "films")


@dataclass(frozen=True, eq=False)
class MeasuredFilms:
    """Measures of all films of a subject.

    Parameters
    ----------
    measurements : tuple of tuple of Measurement
        By film.
    joint : JointEstimate or None
        The points behind them; None: each film's own.
    gradients : tuple of mappings
        By film, with a joint estimate: slopes of each measure by the film's points.
    """

    measurements: tuple[tuple[Measurement, ...], ...]
    joint: JointEstimate | None = None
    gradients: tuple[Mapping[tuple[str, str], FloatArray], ...] = ()

    def covariances(self, level: str, films: Sequence[int | None]) -> dict[str, FloatArray]:
        """Covariance of each measure of `level` on these films (None: there is no such film).

        Returns
        -------
        dict of (n, n) arrays
            By name, NaN for films that lack the measure; empty without a joint estimate.
        """
        if self.joint is None:
            return {}
        places = [(k, t) for k, t in enumerate(films) if t is not None]
        between = {
            (a, b): self.joint.covariance(a, b) for _, a in places for _, b in places if a <= b
        }
        out: dict[str, FloatArray] = {}
        names = {n for _, t in places for n, x in self.gradients[t] if x == level}
        for name in names:
            known = np.full((len(films), len(films)), np.nan)
            slopes = {t: self.gradients[t].get((name, level)) for _, t in places}
            for k, a in places:
                for m, b in places:
                    first, second = slopes[min(a, b)], slopes[max(a, b)]
                    if first is not None and second is not None:
                        block = between[min(a, b), max(a, b)]
                        known[k, m] = _product(first, block, second)
            out[name] = known
        return out


def _product(first: FloatArray, block: FloatArray, second: FloatArray) -> float:
    """first @ block @ second, of which only what has a slope must be known."""
    rows, columns = np.flatnonzero(first), np.flatnonzero(second)
    return float(first[rows] @ block[np.ix_(rows, columns)] @ second[columns])


def measure_films(
    readings: Sequence[Reading],
    index_level: str,
    changing: Collection[str],
    operated: Sequence[bool],
    *,
    estimate: str,
    physiology: Physiology,
    settings: MeasureSettings,
    joint: JointEstimateSettings | None = None,
) -> MeasuredFilms:
    """Measure the films of one subject.

    Parameters
    ----------
    readings : sequence of Reading
        In the order of time, levels named alike.
    index_level : str
        Empty if it is not known; films are then measured one by one.
    changing, operated
        As for `estimate_jointly`.
    estimate : str
        One of `ESTIMATES`.
    physiology, settings
        As for `measure`.

    Raises
    ------
    UnknownName
        If `estimate` is none of `ESTIMATES`.
    """
    if estimate not in ESTIMATES:
        raise UnknownName("estimate", estimate, ESTIMATES)
    wanted = estimate == "joint" or (
        estimate == "auto" and all(r.reader.kind == "model" for r in readings)
    )
    together = None
    if wanted and index_level:
        together = estimate_jointly(readings, changing, operated, joint)
    level = index_level or None
    if together is None:
        return MeasuredFilms(
            tuple(
                measure(
                    r.vertebrae,
                    r.calibration,
                    index_level=level,
                    physiology=physiology,
                    settings=settings,
                )
                for r in readings
            )
        )
    measured, gradients = [], []
    for t, (reading, film) in enumerate(zip(readings, together.vertebrae, strict=True)):
        found = measure(
            film,
            reading.calibration,
            index_level=level,
            physiology=physiology,
            settings=settings,
            covariance=together.covariance(t, t),
        )
        doubted = set(together.misread[t])
        measured.append(tuple(_doubted(m) if m.level in doubted else m for m in found))
        gradients.append(
            measurement_gradients(
                film,
                reading.calibration,
                index_level=level,
                physiology=physiology,
                settings=settings,
            )
        )
    return MeasuredFilms(tuple(measured), together, tuple(gradients))


def _doubted(measurement: Measurement) -> Measurement:
    return replace(measurement, flags=(*measurement.flags, "points_misread"))
