"""Measures of a subject's films from points that were estimated together."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
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
        By film, with a joint estimate: slopes of each measure by the estimate's parameters.
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
        out: dict[str, FloatArray] = {}
        for k, t in places:
            for m in self.measurements[t]:
                if m.level == level and (m.name, level) in self.gradients[t]:
                    blank = np.full((len(films), len(films)), np.nan)
                    out.setdefault(m.name, blank)[k, k] = m.se**2
        for (i, a), (k, b) in combinations(places, 2):
            for name, known in out.items():
                first, second = (self.gradients[t].get((name, level)) for t in (a, b))
                if first is not None and second is not None:
                    known[i, k] = known[k, i] = first @ self.joint.parameters @ second
        return out


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
    days: Sequence[int | None] | None = None,
) -> MeasuredFilms:
    """Measure the films of one subject.

    Parameters
    ----------
    readings : sequence of Reading
        In the order of time, levels named alike.
    index_level : str
        Empty if it is not known; films are then measured one by one.
    changing, operated, days
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
        together = estimate_jointly(readings, changing, operated, joint, days)
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
        slopes = measurement_gradients(
            film,
            reading.calibration,
            index_level=level,
            physiology=physiology,
            settings=settings,
        )
        gradients.append(
            {key: own @ together.slopes[t] for key, own in slopes.items() if key[1] == level}
        )
    return MeasuredFilms(tuple(measured), together, tuple(gradients))


def _doubted(measurement: Measurement) -> Measurement:
    return replace(measurement, flags=(*measurement.flags, "points_misread"))
