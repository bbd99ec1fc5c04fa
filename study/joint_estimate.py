"""The points of all films of a subject estimated together.

Read film by film, a change of two degrees drowns in the errors of two films. But the films show
the same bodies: apart from the treated one they keep their shape, and that one changes in few ways.
So the points of a film t, on body j, are modelled as

    points = exp(scale_t) * R(angle_tj) (shape_j + modes_j change_tj) + place_tj + error,

with one shape for each body, one scale for each film (its magnification, shared by all bodies),
and a change of shape (`endplate.study.body_shape`) only for bodies that may change. A change
follows a random walk over time, fast at first, with wide steps across the operation and heavy
tails, for a body may collapse. The errors have the covariance that the reading states, times a
factor that the repeated films themselves tell (one for the bodies that keep their shape, one for
the others), and heavy tails: a point is given the weight of Student's t distribution. A film whose
changing body is nowhere near what the other films and the random walk allow, such as one whose
points were put on the cement, gets next to no weight there.

The estimate is by Gauss-Newton and expectation-maximisation. It returns points for each film, and
their covariance within and between films: measures and their changes are then taken from the points
as always, with standard errors that know what films share.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from endplate.geometry.landmarks import FloatArray, Vertebra
from endplate.study.joint_films import Films
from endplate.study.joint_fit import JointEstimateSettings, JointFit
from endplate.study.reading import Reading

__all__ = ["JointEstimate", "JointEstimateSettings", "estimate_jointly"]

_MONTH: Final = 30.4375
_YEAR: Final = 365.25
#: Of films a few days apart.
_LEAST_STEP: Final = 0.05


@dataclass(frozen=True, eq=False)
class JointEstimate:
    """Points of all films with their covariance.

    Parameters
    ----------
    vertebrae : tuple of tuple of Vertebra
        By film: as read, with estimated points (and their own covariance) where there are any.
    slopes : tuple of (12 N, P) arrays
        By film: derivatives of its points, in pixels, by the P parameters of the estimate; zero
        for bodies that keep the points of the reading.
    parameters : (P, P) array
        Covariance of the parameters.
    misread : tuple of tuple of str
        By film: changing levels that had next to no weight.
    noise : (steady, changing)
        Standard deviation of the errors over what the readings state.
    """

    vertebrae: tuple[tuple[Vertebra, ...], ...]
    slopes: tuple[FloatArray, ...]
    parameters: FloatArray
    misread: tuple[tuple[str, ...], ...]
    noise: tuple[float, float]

    def covariance(self, first: int, second: int) -> FloatArray:
        """(12 N, 12 M) covariance of the points of two films, pixels squared."""
        between: FloatArray = self.slopes[first] @ self.parameters @ self.slopes[second].T
        if first == second:
            for i, body in enumerate(self.vertebrae[first]):
                own = slice(12 * i, 12 * i + 12)
                if not self.slopes[first][own].any():
                    unknown = np.full((12, 12), np.nan)
                    between[own, own] = unknown if body.covariance is None else body.covariance
        return between


def estimate_jointly(
    readings: Sequence[Reading],
    changing: Collection[str],
    operated: Sequence[bool],
    settings: JointEstimateSettings | None = None,
    days: Sequence[int | None] | None = None,
) -> JointEstimate | None:
    """Estimate the points of the films of one subject.

    Parameters
    ----------
    readings : sequence of Reading
        In the order of time, levels named alike. CT is left as it was read: its middle slice is no
        projection.
    changing : collection of str
        Levels whose shape may change: the treated one, and others that broke or hold cement.
    operated : sequence of bool
        By film: whether it was taken after the operation.
    days : sequence of (int or None), optional
        By film: when, after the operation. Unknown: one step of the walk from film to film.

    Returns
    -------
    JointEstimate or None
        None if no changing body has points with a covariance on two films.
    """
    chosen = settings or JointEstimateSettings()
    films = Films.of(readings, changing)
    if films is None:
        return None
    fit = JointFit(films, _steps(operated, days, chosen.operation), chosen)
    fit.run()
    return _result(fit, readings)


def _steps(
    operated: Sequence[bool], days: Sequence[int | None] | None, operation: float
) -> list[float]:
    """Steps of the walk up to each film, a variance in units of one step.

    A year after the operation is three steps. Most is lost early: they go by the logarithm of
    time, so that half of the first year's are in its first three months.
    """
    known = days or [None] * len(operated)
    out = [1.0]
    for t in range(1, len(operated)):
        before, now = known[t - 1], known[t]
        if operated[t] and not operated[t - 1]:
            out.append(operation**2)
        elif before is None or now is None:
            out.append(1.0)
        else:
            walked = abs(math.log1p(max(now, 0) / _MONTH) - math.log1p(max(before, 0) / _MONTH))
            out.append(max(3.0 * walked / math.log1p(_YEAR / _MONTH), _LEAST_STEP))
    return out


def _result(fit: JointFit, readings: Sequence[Reading]) -> JointEstimate:
    """The estimate in pixels of the films."""
    place = {(t, fit.films.levels[j]): i for i, (t, j) in enumerate(fit.seen)}
    vertebrae, slopes, misread = [], [], []
    for t, reading in enumerate(readings):
        slope = np.zeros((12 * len(reading.vertebrae), fit.size))
        film = list(reading.vertebrae)
        for n, body in enumerate(film):
            i = place.get((t, body.level))
            if i is None:
                continue
            points, own, columns = fit.model(i, as_read=False)
            factor = np.tile(fit.films.factor[t], 6)
            slope[12 * n : 12 * n + 12, columns] = own * factor[:, None]
            error = own @ fit.spread[np.ix_(columns, columns)] @ own.T
            film[n] = replace(
                body,
                points=(points * factor).reshape(6, 2),
                covariance=error * np.outer(factor, factor),
            )
        vertebrae.append(tuple(film))
        slopes.append(slope)
        misread.append(
            tuple(
                fit.films.levels[j] for i, (k, j) in enumerate(fit.seen) if k == t and fit.gated[i]
            )
        )
    return JointEstimate(
        tuple(vertebrae),
        tuple(slopes),
        fit.spread,
        tuple(misread),
        (math.sqrt(fit.factor[0]), math.sqrt(fit.factor[1])),
    )
