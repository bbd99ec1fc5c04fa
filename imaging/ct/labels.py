"""Label volumes: which number is which vertebra, in NIfTI and DICOM SEG."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np

from endplate.errors import InputError, UnknownName, UnreadableImage
from endplate.geometry.landmarks import FloatArray
from endplate.geometry.levels import LEVELS, level_index
from endplate.imaging.ct.nifti import is_nifti, read_nifti
from endplate.imaging.ct.seg import read_seg
from endplate.imaging.ct.volume import Volume

__all__ = ["SCHEMES", "LabelVolume", "read_labels"]

#: VerSe, also SPINEPS's vertebra mask: counted downwards; 28 is T13, 26 the sacrum.
_VERSE: Final = {
    "C7": (7,),
    **{f"T{i}": (7 + i,) for i in range(1, 13)},
    "T13": (28,),
    **{f"L{i}": (19 + i,) for i in range(1, 7)},
    "S1": (26,),
}
#: TotalSegmentator 2: counted upwards; 25 is the sacrum without S1, which is 26.
_TOTAL: Final = {
    "C7": (44,),
    **{f"T{i}": (44 - i,) for i in range(1, 13)},
    **{f"L{i}": (32 - i,) for i in range(1, 6)},
    "S1": (26,),
}
#: TotalSegmentator 1: counted upwards from L5; it has no sacrum.
_TOTAL_1: Final = {
    "C7": (35,),
    **{f"T{i}": (35 - i,) for i in range(1, 13)},
    **{f"L{i}": (23 - i,) for i in range(1, 6)},
}
#: Level -> label numbers.
SCHEMES: Final[Mapping[str, Mapping[str, tuple[int, ...]]]] = {
    "totalsegmentator": _TOTAL,
    "totalsegmentator-1": _TOTAL_1,
    "verse": _VERSE,
    "spineps": _VERSE,
}
#: Schemes that ``auto`` knows. Those of TotalSegmentator cannot be told apart by order.
_TOLD_APART: Final = ("totalsegmentator", "verse")
#: Distance of neighbouring vertebrae, mm, for telling the schemes apart.
_APART: Final = (10.0, 60.0)


@dataclass(frozen=True, eq=False)
class LabelVolume:
    """Labels with their meaning.

    Parameters
    ----------
    volume : Volume
        Label numbers.
    numbers : mapping of str to tuple of int
        Level to its numbers; levels that are absent are left out. Head to foot.
    scheme : str
        A key of `SCHEMES`, or ``"named"`` where the file itself names its labels.
    """

    volume: Volume
    numbers: Mapping[str, tuple[int, ...]]
    scheme: str


def read_labels(path: str | Path, scheme: str = "auto") -> LabelVolume:
    """Read a label volume.

    Parameters
    ----------
    path : path
        NIfTI, or DICOM SEG whose segments are called after levels.
    scheme : str
        A key of `SCHEMES`; ``"auto"`` tells VerSe from TotalSegmentator 2 by the order of the
        labels along the body.

    Raises
    ------
    UnknownName
        If there is no such scheme.
    UnreadableImage
        If the file is neither, or holds no vertebrae of the scheme.
    """
    if scheme not in ("auto", *SCHEMES):
        raise UnknownName("label scheme", scheme, ("auto", *SCHEMES))
    place = Path(path)
    if not place.is_file():
        raise InputError(f"{path}: there is no such file; expected a label volume")
    if not is_nifti(place):
        volume, named = read_seg(place)
        ordered = {level: (named[level],) for level in LEVELS if level in named}
        return LabelVolume(volume, ordered, "named")
    volume = read_nifti(place, labels=True)
    centres = _centres(volume)
    if scheme == "auto":
        scheme = _tell(centres, str(path))
    numbers = {
        level: SCHEMES[scheme][level]
        for level in LEVELS
        if level in SCHEMES[scheme] and any(n in centres for n in SCHEMES[scheme][level])
    }
    if not numbers:
        raise UnreadableImage(
            f"{path}: holds none of the vertebra labels of {scheme}; found the numbers"
            f" {', '.join(map(str, sorted(centres)[:20]))}"
        )
    return LabelVolume(volume, numbers, scheme)


def _centres(volume: Volume) -> dict[int, FloatArray]:
    """Centre of mass of every label, LPS mm."""
    nk, nj, ni = volume.voxels.shape
    most = int(volume.voxels.max()) + 1
    sums = np.zeros((most, 4))
    j, i = (m.ravel() for m in np.meshgrid(np.arange(nj), np.arange(ni), indexing="ij"))
    for k in range(nk):
        flat = volume.voxels[k].ravel()
        held = np.flatnonzero(flat)
        if len(held):
            label = flat[held]
            counts = np.bincount(label, minlength=most)
            sums[:, 0] += np.bincount(label, i[held], most)
            sums[:, 1] += np.bincount(label, j[held], most)
            sums[:, 2] += counts * k
            sums[:, 3] += counts
    return {
        n: volume.to_patient(sums[n, :3] / sums[n, 3]) for n in range(1, most) if sums[n, 3] > 0
    }


def _tell(centres: Mapping[int, FloatArray], shown: str) -> str:
    """The scheme in which neighbouring levels lie below each other, at a believable distance."""
    scores = {name: _order_score(centres, SCHEMES[name]) for name in _TOLD_APART}
    best = max(scores, key=lambda name: scores[name])
    rest = max(v for name, v in scores.items() if name != best)
    if scores[best] < 1 or scores[best] <= rest:
        raise UnreadableImage(
            f"{shown}: the label numbers {', '.join(map(str, sorted(centres)[:20]))} cannot be told"
            f" apart; say whose they are: --label-scheme {'|'.join(SCHEMES)}"
        )
    return best


def _order_score(centres: Mapping[int, FloatArray], scheme: Mapping[str, tuple[int, ...]]) -> int:
    present = [level for level in LEVELS if level in scheme and scheme[level][0] in centres]
    score = 0
    for upper, lower in pairwise(present):
        step = centres[scheme[upper][0]] - centres[scheme[lower][0]]
        next_to = level_index(lower) - level_index(upper) <= 2
        apart = _APART[0] < float(np.linalg.norm(step)) < _APART[1]
        score += 1 if next_to and apart and step[2] > 5 else -1
    return score
