"""What films say for a body being the injured and treated one.

Log likelihood ratios, for being the injured body against being another:

- deformity, from the films before the operation (or from the first, if that is not known): height
  loss against the neighbours, and vertebral kyphosis beyond the physiological one. The injured
  body is expected to have lost 25 (SD 15) percent and to be kyphotic by 8 (SD 5) degrees; others
  3 (SD 6) percent and 0 (SD 3.5) degrees; each besides the error of the measure;
- cement, from the films after it: a body is marked by the reader on 85 percent of the films where
  it holds cement, and on 3 percent where it does not (films of one body are not independent: their
  evidence counts at most as much as that of two);
- screws: the treated body lies inside the instrumented range, mostly without screws of its own.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from endplate.geometry.levels import LEVELS
from endplate.geometry.measure import measure
from endplate.geometry.measurement import Measurement
from endplate.study.reading import Reading

__all__ = ["InjuryEvidence"]

#: Mean and SD of height loss (%) and of excess kyphosis (degrees): injured, other.
_EXPECTED: Final = {
    "max_height_loss_pct": ((25.0, 15.0), (3.0, 6.0)),
    "TVK_deg": ((8.0, 5.0), (0.0, 3.5)),
}
#: Standard errors where a reading states none.
_UNSTATED_SE: Final = {"max_height_loss_pct": 4.0, "TVK_deg": 2.0}
_MARKED: Final = (0.85, 0.03)
_MOST_FILMS: Final = 2.0
_CEMENT: Final = "holds cement"
_BETWEEN: Final = "between the screws"
_SAME_CORNERS: Final = 0.7
"""Height loss and kyphosis both come from the same corners."""
#: Greatest evidence of one kind, nats: a misread body must not outvote all else.
_BOUND: Final = 5.0
_INSIDE, _SCREWED_INSIDE, _SCREWED_END, _OUTSIDE = 2.0, 0.5, -1.5, -2.5


@dataclass(frozen=True, eq=False)
class InjuryEvidence:
    """What each film says for its bodies being the injured one, in nats.

    `kinds`: what speaks -> by film, level as named there -> nats; films that say nothing of that
    kind have no levels.
    """

    kinds: Mapping[str, tuple[Mapping[str, float], ...]]

    @classmethod
    def of(
        cls, readings: Sequence[Reading], operated: Sequence[bool] | None = None
    ) -> "InjuryEvidence":
        """From films in the order of time; see `find_index_level`."""
        done = list(operated) if operated is not None else [i > 0 for i in range(len(readings))]
        if all(done):
            # the first is the nearest to what it was before
            done = [i > 0 for i in range(len(readings))]
        measures = [
            () if late else measure(r.vertebrae, r.calibration)
            for r, late in zip(readings, done, strict=True)
        ]
        after = [late or operated is None for late in (done if operated is None else operated)]
        return cls(
            {
                _CEMENT: tuple(
                    _cement(r) if late else {} for r, late in zip(readings, after, strict=True)
                ),
                _BETWEEN: tuple(_screws(r) for r in readings),
                "greatest height loss": tuple(
                    _deformity(own, "max_height_loss_pct") for own in measures
                ),
                "largest vertebral kyphosis beyond the physiological one": tuple(
                    _deformity(own, "TVK_deg") for own in measures
                ),
            }
        )

    def speaks(self, names: Sequence[str | None]) -> dict[str, float]:
        """By kind, what speaks for the body that bears `names[i]` on film i; None: not there."""
        out = {}
        for kind, films in self.kinds.items():
            said = [film[x] for film, x in zip(films, names, strict=True) if x and x in film]
            total = sum(said)
            if kind == _CEMENT:
                total = min(max(total * min(1.0, _MOST_FILMS / max(len(said), 1)), -_BOUND), _BOUND)
            elif said:
                total *= (1.0 if kind == _BETWEEN else _SAME_CORNERS) / len(said)
            out[kind] = total
        return out


def _deformity(measures: Sequence[Measurement], name: str) -> dict[str, float]:
    """Evidence of one measure on one film, by level."""
    return {
        m.level: _ratio(m.value, m.se if math.isfinite(m.se) else _UNSTATED_SE[name], name)
        for m in measures
        if m.name == name and math.isfinite(m.value)
    }


def _ratio(value: float, se: float, name: str) -> float:
    """Log likelihood of `value` in the injured body less that in another, bounded."""
    (mean, sd), (usual, usual_sd) = _EXPECTED[name]
    injured, other = math.hypot(sd, se), math.hypot(usual_sd, se)
    # More than what is expected of the injured body speaks no less for it, nor less for another.
    over = min(value - mean, 0.0) / injured
    away = max(value - usual, 0.0) / other
    found = 0.5 * (away**2 - over**2) + math.log(other / injured)
    return min(max(found, -_BOUND), _BOUND)


def _cement(reading: Reading) -> dict[str, float]:
    """Evidence of a film that shows cement at all, by level."""
    if not any(v.cement for v in reading.vertebrae):
        return {}
    hit, false = _MARKED
    yes, no = math.log(hit / false), math.log((1 - hit) / (1 - false))
    return {v.level: yes if v.cement else no for v in reading.vertebrae}


def _screws(reading: Reading) -> dict[str, float]:
    """Evidence of a film that shows screws on two bodies or more, by level: all of the spine."""
    screwed = [LEVELS.index(v.level) for v in reading.vertebrae if v.hardware]
    if len(screwed) < 2:
        return {}
    top, bottom = min(screwed), max(screwed)
    out = {}
    for place, level in enumerate(LEVELS):
        if top < place < bottom:
            out[level] = _SCREWED_INSIDE if place in screwed else _INSIDE
        else:
            out[level] = _SCREWED_END if place in (top, bottom) else _OUTSIDE
    return out
