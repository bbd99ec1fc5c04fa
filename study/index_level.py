"""Which level is the injured and treated one, told from all films of a subject.

Each level that any film shows collects log likelihood ratios, for being the injured level against
being another:

- deformity, from the films before the operation (or from the first, if that is not known): height
  loss against the neighbours, and vertebral kyphosis beyond the physiological one. The injured
  body is expected to have lost 25 (SD 15) percent and to be kyphotic by 8 (SD 5) degrees; others
  3 (SD 6) percent and 0 (SD 3.5) degrees; each besides the error of the measure;
- cement, from the films after it: a body is marked by the reader on 85 percent of the films where
  it holds cement, and on 3 percent where it does not (films of one body are not independent: their
  evidence counts at most as much as that of two);
- screws: the treated body lies inside the instrumented range, mostly without screws of its own.

Before any film, fractures are expected where they are frequent: at the thoracolumbar junction. The
sum gives a probability for each level; the likeliest is taken, and it is doubtful below 0.9.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from endplate.geometry.levels import LEVELS, check_level
from endplate.geometry.measure import measure
from endplate.study.reading import Reading

__all__ = ["DOUBTFUL_BELOW", "IndexLevel", "find_index_level"]

#: Probability below which an index level that was told from the films is doubtful.
DOUBTFUL_BELOW: Final = 0.9

#: Prior frequency of traumatic fractures; 1 elsewhere.
_FREQUENT: Final = {"T10": 2.0, "T11": 4.0, "T12": 10.0, "L1": 18.0, "L2": 8.0, "L3": 3.0}
#: Mean and SD of height loss (%) and of excess kyphosis (degrees): injured, other.
_EXPECTED: Final = {
    "max_height_loss_pct": ((25.0, 15.0), (3.0, 6.0)),
    "TVK_deg": ((8.0, 5.0), (0.0, 3.5)),
}
#: Standard errors where a reading states none.
_UNSTATED_SE: Final = {"max_height_loss_pct": 4.0, "TVK_deg": 2.0}
_MARKED: Final = (0.85, 0.03)
_MOST_FILMS: Final = 2.0
#: Greatest evidence of one kind, nats: a misread body must not outvote all else.
_BOUND: Final = 5.0
_INSIDE, _SCREWED_INSIDE, _SCREWED_END, _OUTSIDE = 2.0, 0.5, -1.5, -2.5


@dataclass(frozen=True, slots=True)
class IndexLevel:
    """The index level and how sure that is.

    Parameters
    ----------
    level : str
        Empty if it cannot be told.
    why : str
        What speaks for it most: ``given``, ``holds cement``, ``between the screws``, ``greatest
        height loss``, ``largest vertebral kyphosis beyond the physiological one``, or why there is
        none.
    probability : float
        1 if given, NaN if there is none.
    second : str
        The second likeliest level; empty if given or alone.
    """

    level: str
    why: str
    probability: float = math.nan
    second: str = ""

    @property
    def doubtful(self) -> bool:
        """Whether another level is too likely to go on without a look."""
        return bool(self.level) and self.probability < DOUBTFUL_BELOW


def find_index_level(
    readings: Sequence[Reading], given: str = "", operated: Sequence[bool] | None = None
) -> IndexLevel:
    """Tell the index level.

    Parameters
    ----------
    readings : sequence of Reading
        In the order of time, levels named alike.
    given : str
        Empty if it is not known.
    operated : sequence of bool, optional
        By film: whether it was taken after the operation. None: not known.

    Raises
    ------
    UnknownName
        If `given` is no level.
    """
    if given:
        return IndexLevel(check_level(given), "given", 1.0)
    shown = {v.level for r in readings for v in r.vertebrae} - {"S1"}
    levels = [x for x in LEVELS if x in shown and x[0] != "C"]
    done = list(operated) if operated is not None else [i > 0 for i in range(len(readings))]
    before = [r for r, late in zip(readings, done, strict=True) if not late] or list(readings[:1])
    after = [r for r, late in zip(readings, done, strict=True) if late]
    losses = _deformity(before, levels, "max_height_loss_pct")
    excess = _deformity(before, levels, "TVK_deg")
    kinds = {
        "holds cement": _cement(after if operated is not None else readings, levels),
        "between the screws": _screws(readings, levels),
        # Both come from the same corners.
        "greatest height loss": {x: 0.7 * losses[x] for x in levels},
        "largest vertebral kyphosis beyond the physiological one": {
            x: 0.7 * excess[x] for x in levels
        },
    }
    return _chosen(levels, kinds)


def _chosen(levels: Sequence[str], kinds: Mapping[str, Mapping[str, float]]) -> IndexLevel:
    speaks = {x: {why: kinds[why][x] for why in kinds} for x in levels}
    if not any(value > 0.5 for own in speaks.values() for value in own.values()):
        return IndexLevel("", "no film shows an injured body")
    total = {x: sum(speaks[x].values()) + math.log(_FREQUENT.get(x, 1.0)) for x in levels}
    ranked = sorted(levels, key=lambda x: -total[x])
    best = ranked[0]
    share = sum(math.exp(total[x] - total[best]) for x in levels)
    why = max(speaks[best], key=lambda w: speaks[best][w])
    return IndexLevel(best, why, 1.0 / share, ranked[1] if len(ranked) > 1 else "")


def _deformity(readings: Sequence[Reading], levels: Sequence[str], name: str) -> dict[str, float]:
    """Mean evidence of one measure over the films that have it."""
    found: dict[str, list[float]] = {x: [] for x in levels}
    for reading in readings:
        for m in measure(reading.vertebrae, reading.calibration):
            if m.name == name and m.level in found and math.isfinite(m.value):
                se = m.se if math.isfinite(m.se) else _UNSTATED_SE[name]
                found[m.level].append(_ratio(m.value, se, name))
    return {x: sum(own) / len(own) if own else 0.0 for x, own in found.items()}


def _ratio(value: float, se: float, name: str) -> float:
    """Log likelihood of `value` in the injured body less that in another, bounded."""
    (mean, sd), (usual, usual_sd) = _EXPECTED[name]
    injured, other = math.hypot(sd, se), math.hypot(usual_sd, se)
    # More than what is expected of the injured body speaks no less for it, nor less for another.
    over = min(value - mean, 0.0) / injured
    away = max(value - usual, 0.0) / other
    found = 0.5 * (away**2 - over**2) + math.log(other / injured)
    return min(max(found, -_BOUND), _BOUND)


def _cement(readings: Sequence[Reading], levels: Sequence[str]) -> dict[str, float]:
    out = dict.fromkeys(levels, 0.0)
    marked = [
        {v.level: v.cement for v in r.vertebrae}
        for r in readings
        if any(v.cement for v in r.vertebrae)
    ]
    hit, false = _MARKED
    for level in levels:
        own = [film[level] for film in marked if level in film]
        if own:
            for_it = sum(math.log(hit / false if x else (1 - hit) / (1 - false)) for x in own)
            out[level] = for_it * min(1.0, _MOST_FILMS / len(own))
    return {x: min(max(value, -_BOUND), _BOUND) for x, value in out.items()}


def _screws(readings: Sequence[Reading], levels: Sequence[str]) -> dict[str, float]:
    """Mean over the films that show screws on two bodies or more."""
    found: dict[str, list[float]] = {x: [] for x in levels}
    for reading in readings:
        screwed = [LEVELS.index(v.level) for v in reading.vertebrae if v.hardware]
        if len(screwed) < 2:
            continue
        top, bottom = min(screwed), max(screwed)
        for level in levels:
            place = LEVELS.index(level)
            if top < place < bottom:
                found[level].append(_SCREWED_INSIDE if place in screwed else _INSIDE)
            else:
                found[level].append(_SCREWED_END if place in (top, bottom) else _OUTSIDE)
    return {x: sum(own) / len(own) if own else 0.0 for x, own in found.items()}
