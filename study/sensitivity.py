"""A cohort without the films that do not compare: in another position, or CT against film."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from endplate.study.cohort import RADIOLOGICAL, Cohort

__all__ = ["Alike", "films_alike"]

#: Flags of a visit that is not like the first after the operation.
_UNLIKE: Final = frozenset(("positions_differ", "ct_against_film"))


@dataclass(frozen=True, eq=False)
class Alike:
    """The cohort without films unlike the first of their subject after the operation.

    Parameters
    ----------
    cohort : Cohort
        With NaN for what was measured on such films; scores stay.
    left_out : int
        Visits whose film was left out.
    unknown : int
        Visits whose film states no position: kept.
    """

    cohort: Cohort
    left_out: int
    unknown: int


def films_alike(cohort: Cohort) -> Alike:
    """Leave out the films that differ from the first after the operation in position or kind.

    Kyphosis and height change with position alone, and a slice of a CT is no projection. A film
    that does not state the position is kept and counted.
    """
    kept = {m: v.copy() for m, v in cohort.values.items()}
    rows = {s.subject: i for i, s in enumerate(cohort.subjects)}
    left_out = unknown = 0
    for followup in cohort.followups:
        i = rows.get(followup.subject)
        for result in followup.visits:
            if i is None or result.visit.name not in cohort.visits:
                continue
            unknown += result.visit.reading.source.position is None
            if _UNLIKE.isdisjoint(result.flags):
                continue
            left_out += 1
            k = cohort.visits.index(result.visit.name)
            for measure in RADIOLOGICAL:
                if measure in kept:
                    kept[measure][i, k] = np.nan
    return Alike(replace(cohort, values=kept), left_out, unknown)
