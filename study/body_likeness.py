"""How alike the bodies of two films of one person are, whatever their names.

Compared is what does not depend on magnification: the height-to-depth ratios and the wedge of
each body, and its size against the next.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from endplate.geometry.landmarks import FloatArray, Vertebra
from endplate.geometry.measure import measure
from endplate.study.reading import Reading

__all__ = ["JointNamingSettings", "body_cost", "features", "relative_errors"]


@dataclass(frozen=True, slots=True)
class JointNamingSettings:
    """Spread of a body's features, and the prior of a shift.

    Parameters
    ----------
    point_sd : float
        Error of a point over the depth of its body, where the reading states none.
    greatest_point_sd : float
        A stated error counts as no more than this. Cautious readers state more, and then nothing
        would tell bodies apart, although the same body keeps its shape on their films.
    own_ratio, own_wedge_deg : float
        Spread of a ratio and of the wedge of one body between two films besides that error.
    other_ratio, other_wedge_deg : float
        The same between bodies one or two levels apart.
    weight : float
        Of each feature: they are not independent of each other.
    bound : float
        Greatest cost of one feature, nats: what a change of shape can cost.
    implant : float
        Cost of cement or screws in a body that has none on a later film, nats.
    person_probability : float
        Probability of the names that a person gave, who states none.
    least_probability : float
        No shift is less probable than this by a film's own naming.
    margin : float
        A shift is taken only if it gains so many nats.
    injured_bound : float
        Greatest weight of what speaks for the body at the given index level being the injured
        one, nats: names of which several films are sure stand.
    """

    point_sd: float = 0.02
    greatest_point_sd: float = 0.025
    own_ratio: float = 0.015
    own_wedge_deg: float = 0.8
    other_ratio: float = 0.055
    other_wedge_deg: float = 3.5
    weight: float = 0.7
    bound: float = 2.5
    implant: float = 3.0
    person_probability: float = 0.999
    least_probability: float = 0.002
    margin: float = 2.0
    injured_bound: float = 6.0


def features(reading: Reading) -> dict[str, FloatArray]:
    """(5,) features by level: three heights over depth, wedge in degrees, log depth ratio."""
    measured = measure(reading.vertebrae, reading.calibration)
    wedge = {m.level: m.value for m in measured if m.name == "vertebral_kyphosis_deg"}
    scale = np.asarray(reading.calibration.scale_xy)
    depth = {v.level: _depth(v, scale) for v in reading.vertebrae}
    out = {}
    bodies = [v for v in reading.vertebrae if v.level != "S1"]
    for body in bodies:
        p = body.points * scale
        heights = np.hypot(*(p[[0, 1, 2]] - p[[5, 4, 3]]).T) / depth[body.level]
        out[body.level] = np.array([*heights, wedge.get(body.level, np.nan), np.nan])
    for upper, lower in pairwise(bodies):
        out[upper.level][4] = math.log(depth[upper.level] / depth[lower.level])
    return out


def relative_errors(reading: Reading, settings: JointNamingSettings) -> dict[str, float]:
    """Error of a point over the depth of its body, by level."""
    scale = np.asarray(reading.calibration.scale_xy)
    out = {}
    for body in reading.vertebrae:
        sigma = math.nan
        if body.covariance is not None:
            variance = np.diag(body.covariance).reshape(6, 2) * scale**2
            if np.isfinite(variance).any():
                sigma = math.sqrt(float(np.nanmean(variance))) / _depth(body, scale)
        known = sigma if math.isfinite(sigma) else settings.point_sd
        out[body.level] = min(known, settings.greatest_point_sd)
    return out


def _depth(vertebra: Vertebra, scale: FloatArray) -> float:
    p = vertebra.points * scale
    ends = [float(np.hypot(*(p[0] - p[2]))), float(np.hypot(*(p[5] - p[3])))]
    known = [x for x in ends if math.isfinite(x) and x > 0]
    return sum(known) / len(known) if known else math.nan


def body_cost(apart: FloatArray, error: float, settings: JointNamingSettings) -> float:
    """Log likelihood of the differences between bodies less that within one, bounded."""
    # A ratio of two lengths has about twice the relative error of a point, so has an angle.
    noise = 2.0 * error * np.array([1.0, 1.0, 1.0, math.degrees(1.0), 1.0])
    ratio, wedge = settings.own_ratio, settings.own_wedge_deg
    own = noise**2 + np.array([ratio, ratio, ratio, wedge, ratio]) ** 2
    ratio, wedge = settings.other_ratio, settings.other_wedge_deg
    other = own + np.array([ratio, ratio, ratio, wedge, ratio]) ** 2
    cost = 0.5 * (apart**2 * (1.0 / own - 1.0 / other) + np.log(own / other))
    known = cost[np.isfinite(cost)]
    return settings.weight * float(np.minimum(known, settings.bound).sum())
