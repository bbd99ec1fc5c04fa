"""Which series of a study to read: axial, thin, long, of a bone or standard kernel."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from endplate.errors import UnreadableImage
from endplate.imaging.ct.slices import LeftOut, SliceHeader

__all__ = ["Candidate", "choose_series"]

#: Least component of a slice's normal along the patient for it to count as axial.
_AXIAL: Final = 0.75
_FEWEST: Final = 3
#: Slices belong together if their axes agree to this cosine, some 0.8 degrees.
_SAME_AXES: Final = 0.9999
#: Length beyond which a longer series is not better, mm.
_LONG: Final = 400.0
#: Kernels for the lung: sharpened edges with overshoot. Siemens Bl57, GE LUNG, Philips L, YB.
_LUNG: Final = re.compile(r"LUNG|^B[L]\d|^(L|YB|YD)$", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Candidate:
    """Slices of one series that share orientation, size and spacing.

    Parameters
    ----------
    slices : tuple of SliceHeader
        In the order of the files.
    score : float
        The greater the better for reading the spine.
    """

    slices: tuple[SliceHeader, ...]
    score: float

    @property
    def label(self) -> str:
        """Name for messages."""
        first = self.slices[0]
        return first.description or f"series {first.series_number}"


def choose_series(
    slices: Sequence[SliceHeader], left: Sequence[LeftOut], path: str
) -> tuple[Candidate, tuple[str, ...]]:
    """The series to read, and sentences on what was left out.

    Raises
    ------
    UnreadableImage
        If there is no axial series of three slices or more; the message gives the reasons.
    """
    reasons = list(left)
    candidates: list[Candidate] = []
    by_series: dict[str, list[SliceHeader]] = defaultdict(list)
    for header in slices:
        by_series[header.series_uid].append(header)
    for members in by_series.values():
        groups = _alike(members)
        best = max(groups, key=lambda g: (_is_axial(g[0]), len(g)))
        for group in groups:
            candidate = Candidate(tuple(group), _score(group))
            reason = _unfit(group, best)
            if reason is None:
                candidates.append(candidate)
            else:
                reasons.append(LeftOut(candidate.label, reason))
    if not candidates:
        why = "; ".join(sorted({f"{r.what}: {r.reason}" for r in reasons})[:6])
        raise UnreadableImage(f"{path}: no axial CT series in it{': ' + why if why else ''}")
    candidates.sort(key=lambda c: c.score, reverse=True)
    chosen = candidates[0]
    reasons += [LeftOut(c.label, "another series suits better") for c in candidates[1:]]
    counted: dict[tuple[str, str], int] = defaultdict(int)
    for r in reasons:
        counted[(r.what, r.reason)] += 1
    notes = tuple(f"left out: {what} ({reason})" for (what, reason) in counted)
    return chosen, notes


def _alike(members: Sequence[SliceHeader]) -> list[list[SliceHeader]]:
    """Groups of the same orientation, size and spacing."""
    groups: list[list[SliceHeader]] = []
    for header in members:
        for group in groups:
            first = group[0]
            same = (
                (header.rows, header.columns) == (first.rows, first.columns)
                and np.allclose(header.spacing, first.spacing, rtol=1e-3)
                and float(header.along_row @ first.along_row) > _SAME_AXES
                and float(header.along_column @ first.along_column) > _SAME_AXES
            )
            if same:
                group.append(header)
                break
        else:
            groups.append([header])
    return groups


def _is_axial(header: SliceHeader) -> bool:
    return abs(float(header.normal[2])) >= _AXIAL


def _unfit(group: Sequence[SliceHeader], best: Sequence[SliceHeader]) -> str | None:
    if not _is_axial(group[0]):
        return "is no axial series"
    if len(group) < _FEWEST:
        return f"has only {len(group)} slices of one orientation"
    if group is not best:
        return f"{len(group)} slices differ in orientation, size or spacing from the others"
    return None


def _score(group: Sequence[SliceHeader]) -> float:
    """Suitability: length first, then thin slices, then the kernel, then original images."""
    first = group[0]
    along = np.array([g.position for g in group]) @ first.normal
    extent = float(np.ptp(along))
    places = len(np.unique(np.round(along, 2)))
    step = extent / max(places - 1, 1)
    score = 4.0 * min(extent, _LONG) / _LONG
    score -= 0.8 * max(step, first.thickness or 0.0, 0.8)
    score -= 1.5 if _LUNG.search(first.kernel) else 0.0
    score -= 0.3 if "SECONDARY" in first.image_type[1:2] else 0.0
    score -= 0.2 if "DERIVED" in first.image_type[:1] else 0.0
    return score - 0.3 * max(first.spacing)
