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
#: What descriptions call projections that their image type does not tell.
_PROJECTED: Final = re.compile(r"\b(MIP|MINIP|MAXIP|VRT)\b", re.IGNORECASE)
#: A slice so much thicker than those of the chosen series is told as the reason, mm.
_THICKER: Final = 0.3
#: A series so much shorter, mm.
_SHORTER: Final = 20.0
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
    reasons += [LeftOut(c.label, _worse(c.slices, chosen.slices)) for c in candidates[1:]]
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


def _worse(group: Sequence[SliceHeader], chosen: Sequence[SliceHeader]) -> str:
    """Why another series than the chosen one was left out."""
    first, best = group[0], chosen[0]
    if first.patient_id != best.patient_id:
        return "is of another patient"
    if _PROJECTED.search(first.description) and not _PROJECTED.search(best.description):
        return "is a projection, by its description"
    if _LUNG.search(first.kernel) and not _LUNG.search(best.kernel):
        return f"its kernel {first.kernel} is for the lung"
    if _extent(group) < min(_extent(chosen), _LONG) - _SHORTER:
        return f"covers {_extent(group):.0f} mm, the chosen one {_extent(chosen):.0f} mm"
    if _thickness(group) > _thickness(chosen) + _THICKER:
        return f"its slices are thicker: {_thickness(group):.1f} mm"
    if _penalty(first) > _penalty(best):
        return "was made from other images"
    return "another series suits better"


def _extent(group: Sequence[SliceHeader]) -> float:
    """Length from the first to the last slice, mm."""
    return float(np.ptp(np.array([g.position for g in group]) @ group[0].normal))


def _thickness(group: Sequence[SliceHeader]) -> float:
    """Thickness or distance of the slices, whichever is greater, mm."""
    along = np.array([g.position for g in group]) @ group[0].normal
    places = len(np.unique(np.round(along, 2)))
    return max(_extent(group) / max(places - 1, 1), group[0].thickness or 0.0)


def _penalty(first: SliceHeader) -> float:
    """What an image type costs that says that the images were made from others."""
    secondary, derived = first.image_type[1:2], first.image_type[:1]
    return 0.3 * ("SECONDARY" in secondary) + 0.2 * ("DERIVED" in derived)


def _score(group: Sequence[SliceHeader]) -> float:
    """Suitability: length first, then thin slices, then the kernel, then original images."""
    first = group[0]
    score = 4.0 * min(_extent(group), _LONG) / _LONG
    score -= 0.8 * max(_thickness(group), 0.8)
    score -= 1.5 if _LUNG.search(first.kernel) else 0.0
    score -= 3.0 if _PROJECTED.search(first.description) else 0.0
    return score - _penalty(first) - 0.3 * max(first.spacing)
