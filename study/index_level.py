"""Which level is the injured and treated one, told from all films of a subject.

Each level that any film shows collects what the films say for it (`study/injury_evidence.py`).
Before any film, fractures are expected where they are frequent: at the thoracolumbar junction. The
sum gives a probability for each level, and where all names may be off together, the levels beside
it have their share of that; the likeliest is taken, and it is doubtful below 0.9. A level that is
given is taken in any case, but doubtful where the films speak so clearly for another.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from endplate.geometry.levels import LEVELS, check_level
from endplate.study.injury_evidence import InjuryEvidence
from endplate.study.joint_naming import shift_level
from endplate.study.reading import Reading

__all__ = ["DOUBTFUL_BELOW", "IndexLevel", "find_index_level"]

#: Probability below which an index level that was told from the films is doubtful.
DOUBTFUL_BELOW: Final = 0.9

#: Prior frequency of traumatic fractures; 1 elsewhere.
_FREQUENT: Final = {"T10": 2.0, "T11": 4.0, "T12": 10.0, "L1": 18.0, "L2": 8.0, "L3": 3.0}


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
        1 if given, but what the films say of it where they contradict; NaN if there is no level.
    second : str
        The second likeliest level, or that which the films speak for in place of the given one;
        empty if there is none.
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
    readings: Sequence[Reading],
    given: str = "",
    operated: Sequence[bool] | None = None,
    off: Mapping[int, float] | None = None,
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
    off : mapping of int to float, optional
        Probability that all names are to be moved down by so many levels. None: they are right.

    Raises
    ------
    UnknownName
        If `given` is no level.
    """
    if given:
        check_level(given)
    shown = {v.level for r in readings for v in r.vertebrae} - {"S1"}
    levels = [x for x in LEVELS if x in shown and x[0] != "C"]
    evidence = InjuryEvidence.of(readings, operated)
    speaks = {x: evidence.speaks([x] * len(readings)) for x in levels}
    if given:
        return _judged(given, speaks)
    told = _chosen(speaks)
    return _if_names_are_off(told, _shares(speaks), off) if told.level and off else told


def _if_names_are_off(
    told: IndexLevel, share: Mapping[str, float], off: Mapping[int, float]
) -> IndexLevel:
    """The body stays; its name is as sure as it is itself and the names are."""
    levels: dict[str, float] = {}
    for level, p in share.items():
        for shift, q in off.items():
            name = shift_level(level, shift) or level
            levels[name] = levels.get(name, 0.0) + p * q
    others = sorted((x for x in levels if x != told.level), key=lambda x: -levels[x])
    return IndexLevel(told.level, told.why, levels[told.level], others[0] if others else "")


def _judged(given: str, speaks: Mapping[str, Mapping[str, float]]) -> IndexLevel:
    told = _chosen(speaks)
    if not told.level or told.level == given or told.doubtful or given not in speaks:
        return IndexLevel(given, "given", 1.0)
    return IndexLevel(given, "given", _shares(speaks)[given], told.level)


def _shares(speaks: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Probability of each level."""
    total = {x: sum(own.values()) + math.log(_FREQUENT.get(x, 1.0)) for x, own in speaks.items()}
    top = max(total.values())
    share = {x: math.exp(value - top) for x, value in total.items()}
    return {x: value / sum(share.values()) for x, value in share.items()}


def _chosen(speaks: Mapping[str, Mapping[str, float]]) -> IndexLevel:
    if not any(value > 0.5 for own in speaks.values() for value in own.values()):
        return IndexLevel("", "no film shows an injured body")
    share = _shares(speaks)
    ranked = sorted(speaks, key=lambda x: -share[x])
    best = ranked[0]
    why = max(speaks[best], key=lambda w: speaks[best][w])
    return IndexLevel(best, why, share[best], ranked[1] if len(ranked) > 1 else "")
