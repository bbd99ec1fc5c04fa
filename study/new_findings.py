"""What happened elsewhere between two films: new fractures, and kyphosis next to the implant."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from endplate.geometry.landmarks import FloatArray, Vertebra
from endplate.geometry.levels import above, below
from endplate.geometry.measurement import Measurement
from endplate.geometry.uncertainty import interval90, probability_above
from endplate.study.reading import Reading

__all__ = ["JunctionAngle", "NewFracture", "junction_angles", "new_fractures", "treated_range"]

#: Height loss in percent points between two films that counts as a new fracture.
INCIDENT_PCT: Final = 15.0
#: Kyphosis next to the implant that counts as junctional kyphosis, degrees.
JUNCTIONAL_DEG: Final = 10.0
_Z95: Final = 1.959963984540054
_KINDS: Final = ("ant", "mid", "post")


@dataclass(frozen=True, slots=True)
class NewFracture:
    """A body that lost height since the first film that shows it.

    Parameters
    ----------
    level : str
    visit, since : str
        Time points compared.
    where : str
        ``ant``, ``mid`` or ``post``: the height that lost most.
    before, now : float
        Height loss against the neighbours, percent.
    se : float
        Of the difference.
    probability : float
        That it is 15 percent points or more.
    adjacent : bool
        Whether it touches the treated range.
    """

    level: str
    visit: str
    since: str
    where: str
    before: float
    now: float
    se: float
    probability: float
    adjacent: bool


@dataclass(frozen=True, slots=True)
class JunctionAngle:
    """Kyphosis next to the treated range on one visit.

    Parameters
    ----------
    side : str
        ``above``: two levels above it to its upper end; ``below``: its lower end to one below.
    visit : str
    angle, change : Measurement
        The angle, and its change since the first post-operative film.
    junctional : bool
        Whether the change is 10 degrees or more and exceeds its error.
    """

    side: str
    visit: str
    angle: Measurement
    change: Measurement
    junctional: bool


def treated_range(readings: Sequence[Reading], index_level: str) -> tuple[str, str]:
    """Upper and lower end of the instrumented levels, or the index level where none is seen."""
    for reading in readings:
        metal = [v.level for v in reading.vertebrae if v.hardware]
        if len(metal) >= 2:
            return metal[0], metal[-1]
    return index_level, index_level


def new_fractures(
    visits: Sequence[tuple[str, Sequence[Measurement]]],
    index_level: str,
    treated: tuple[str, str],
) -> tuple[NewFracture, ...]:
    """Bodies other than the index level that broke between films.

    Parameters
    ----------
    visits : sequence of (time point, measurements)
        In the order of time.
    """
    first: dict[str, tuple[str, dict[str, Measurement]]] = {}
    found: dict[str, NewFracture] = {}
    touching = {above(treated[0]), below(treated[1])}
    for visit, measurements in visits:
        for level, losses in _losses(measurements).items():
            if level == index_level or level in found:
                continue
            if level not in first:
                first[level] = (visit, losses)
                continue
            since, before = first[level]
            new = _compared(level, visit, since, before, losses, level in touching)
            if new is not None:
                found[level] = new
    return tuple(found.values())


def _losses(measurements: Sequence[Measurement]) -> dict[str, dict[str, Measurement]]:
    """Defined height losses by level and height, told from neighbours and not from the table."""
    out: dict[str, dict[str, Measurement]] = {}
    for m in measurements:
        for kind in _KINDS:
            known = math.isfinite(m.value) and "predicted_from_table" not in m.flags
            if m.name == f"loss_{kind}_pct" and known:
                out.setdefault(m.level, {})[kind] = m
    return out


def _compared(
    level: str,
    visit: str,
    since: str,
    before: dict[str, Measurement],
    now: dict[str, Measurement],
    adjacent: bool,
) -> NewFracture | None:
    worst = None
    for kind in _KINDS:
        if kind not in before or kind not in now:
            continue
        a, b = before[kind], now[kind]
        # Only heights told from the same neighbours compare.
        if a.between != b.between:
            continue
        change = b.value - a.value
        se = math.hypot(a.se, b.se)
        beyond = math.isnan(se) or change > _Z95 * se
        if change < INCIDENT_PCT or not beyond or (worst and change <= worst.now - worst.before):
            continue
        chance = probability_above(change, se, INCIDENT_PCT)
        worst = NewFracture(level, visit, since, kind, a.value, b.value, se, chance, adjacent)
    return worst


def junction_angles(
    visits: Sequence[tuple[str, Reading]], treated: tuple[str, str]
) -> tuple[JunctionAngle, ...]:
    """Angles next to the treated range on each visit after the first of `visits`.

    Parameters
    ----------
    visits : sequence of (time point, reading)
        Post-operative films in the order of time; the first is the reference.
    """
    top, bottom = treated
    one_up = above(top)
    lines = {
        "above": (("sup", above(one_up) if one_up else None), ("inf", top)),
        "below": (("sup", bottom), ("inf", below(bottom))),
    }
    out = []
    for side, (upper, lower) in lines.items():
        if upper[1] is None or lower[1] is None or lower[1] == "S1":
            continue
        angles = [
            (name, reading, _angle(reading, side, (upper[0], upper[1]), (lower[0], lower[1])))
            for name, reading in visits
        ]
        known = [(n, a) for n, _, a in angles if a is not None]
        for name, angle in known[1:]:
            out.append(_junction(side, name, known[0][1], angle))
    return tuple(out)


def _junction(side: str, visit: str, first: Measurement, angle: Measurement) -> JunctionAngle:
    value, se = angle.value - first.value, math.hypot(angle.se, first.se)
    beyond = math.isnan(se) or value > _Z95 * se
    change = Measurement(
        f"change_of_junction_{side}_deg",
        angle.level,
        angle.between,
        value,
        "deg",
        se,
        interval90(value, se),
    )
    return JunctionAngle(side, visit, angle, change, value >= JUNCTIONAL_DEG and beyond)


def _angle(
    reading: Reading, side: str, upper: tuple[str, str], lower: tuple[str, str]
) -> Measurement | None:
    """K(upper line, lower line) of a reading, None if a body is not on it."""
    by_level = {v.level: v for v in reading.vertebrae}
    bodies = [by_level.get(upper[1]), by_level.get(lower[1])]
    if bodies[0] is None or bodies[1] is None:
        return None
    scale = np.asarray(reading.calibration.scale_xy)
    (u, u_variance), (v, v_variance) = (
        _line(body, line[0], scale)
        for body, line in zip(bodies, (upper, lower), strict=True)
        if body is not None
    )
    sign = _facing(reading, scale)
    value = sign * math.degrees(math.atan2(v[0] * u[1] - v[1] * u[0], float(u @ v)))
    if not math.isfinite(value):
        return None
    se = math.degrees(math.sqrt(u_variance + v_variance))
    between = (f"{upper[0]}({upper[1]})", f"{lower[0]}({lower[1]})")
    level = lower[1] if side == "above" else upper[1]
    return Measurement(
        f"junction_{side}_deg", level, between, value, "deg", se, interval90(value, se)
    )


def _line(body: Vertebra, which: str, scale: FloatArray) -> tuple[FloatArray, float]:
    """Endplate from back to front, and the variance of its direction in radians squared."""
    front, back = (0, 2) if which == "sup" else (5, 3)
    line: FloatArray = (body.points[front] - body.points[back]) * scale
    if body.covariance is None:
        return line, math.nan
    across = np.array([-line[1], line[0]]) / float(line @ line) * scale
    gradient = np.zeros(12)
    gradient[2 * front : 2 * front + 2] = across
    gradient[2 * back : 2 * back + 2] = -across
    rows = [2 * front, 2 * front + 1, 2 * back, 2 * back + 1]
    block = body.covariance[np.ix_(rows, rows)]
    return line, float(gradient[rows] @ block @ gradient[rows])


def _facing(reading: Reading, scale: FloatArray) -> float:
    """Sign that makes kyphosis positive, from all complete bodies."""
    total = 0.0
    for body in reading.vertebrae:
        p = body.points * scale
        a = p[0] - p[2] + p[5] - p[3]
        d = p[5] - p[0] + p[3] - p[2]
        turn = float(a[0] * d[1] - a[1] * d[0])
        total += turn if math.isfinite(turn) else 0.0
    return float(np.sign(total)) if total else math.nan
