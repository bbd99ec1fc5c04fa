"""From the detector's maps to candidate bodies (NumPy only)."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from endplate.geometry.landmarks import FloatArray
from endplate.geometry.levels import LEVELS
from endplate.models.frames import body_frame
from endplate.models.resample import apply_affine

__all__ = ["CLASSES", "Candidate", "FilmScores", "decode_film", "decode_maps"]

STRIDE: Final = 4
OFFSET_UNIT: Final = 32.0
#: The level classes of the detector: `LEVELS`, then a body above C7.
CLASSES: Final = (*LEVELS, "above C7")
_BODY_AREA: Final = 0.45
"""Candidates nearer than this many depths are one body."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """Something that may be a vertebral body.

    Parameters
    ----------
    centre : (2,) array
        x, y in pixels of the film.
    points : (6, 2) array
        Coarse points in pixels of the film; inferior points of the sacrum are NaN.
    score : float
        Probability of being a body (of being the sacral endplate, if `sacrum`).
    log_levels : (len(CLASSES),) array
        Logarithm of the probability of each level.
    sacrum : bool
        Whether it came from the map of the sacral endplate.
    """

    centre: FloatArray
    points: FloatArray
    score: float
    log_levels: FloatArray
    sacrum: bool

    @cached_property
    def depth(self) -> float:
        """Mean length of the endplates in pixels of the film."""
        return body_frame(self.points)[2]


@dataclass(frozen=True, slots=True)
class FilmScores:
    """What the detector says of the film as a whole: probabilities."""

    lateral: float
    frontal: float
    other: float
    facing_right: float
    inverted: float
    hardware: float


def decode_maps(
    maps: npt.NDArray[np.float32], to_film: FloatArray, *, threshold: float = 0.2
) -> list[Candidate]:
    """Find the candidates of one film.

    Parameters
    ----------
    maps : (2 + 12 + len(CLASSES), h, w) float32 array
        Output of the detector for one window.
    to_film : (2, 3) array
        Affine map from window to film.
    threshold : float
        Lowest score of a candidate.

    Returns
    -------
    list of Candidate, best first
    """
    out: list[Candidate] = []
    for channel in (0, 1):
        score = _sigmoid(maps[channel])
        for y, x in _peaks(score, threshold):
            candidate = _read_cell(maps, score, y, x, to_film, sacrum=channel == 1)
            if np.isfinite(candidate.depth) and candidate.depth > 0:
                out.append(candidate)
    out.sort(key=lambda c: -c.score)
    return _suppress(out)


def decode_film(logits: npt.NDArray[np.float32]) -> FilmScores:
    """Probabilities from the (6,) film output of the detector."""
    view = np.exp(logits[:3] - logits[:3].max())
    view /= view.sum()
    facing, inverted, hardware = (float(v) for v in _sigmoid(logits[3:6]))
    return FilmScores(float(view[0]), float(view[1]), float(view[2]), facing, inverted, hardware)


def _sigmoid(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    out: npt.NDArray[np.float32] = 0.5 * (1.0 + np.tanh(0.5 * x))
    return out


def _peaks(score: npt.NDArray[np.float32], threshold: float) -> list[tuple[int, int]]:
    """Rows and columns of local maxima of a 3 x 3 neighbourhood."""
    padded = np.pad(score, 1, constant_values=-1.0)
    h, w = score.shape
    best = np.max([padded[i : i + h, j : j + w] for i in range(3) for j in range(3)], axis=0)
    rows, columns = np.nonzero((score >= best) & (score > threshold))
    return list(zip(rows.tolist(), columns.tolist(), strict=True))


def _read_cell(
    maps: npt.NDArray[np.float32],
    score: npt.NDArray[np.float32],
    y: int,
    x: int,
    to_film: FloatArray,
    *,
    sacrum: bool,
) -> Candidate:
    """Average what the cells around a peak say, weighted by their score."""
    h, w = score.shape
    rows = slice(max(y - 1, 0), min(y + 2, h))
    columns = slice(max(x - 1, 0), min(x + 2, w))
    weight = score[rows, columns].astype(np.float64) ** 2
    weight /= weight.sum()
    yy, xx = np.mgrid[rows, columns].astype(np.float64)
    cells = np.stack([xx, yy]) * STRIDE + (STRIDE - 1) / 2
    offsets = maps[2:14, rows, columns].reshape(6, 2, *weight.shape) * OFFSET_UNIT
    points = ((offsets + cells) * weight).sum(axis=(2, 3))
    centre = (cells * weight).sum(axis=(1, 2))
    if sacrum:
        points[3:] = np.nan
    logits = (maps[14:, rows, columns] * weight).sum(axis=(1, 2)).astype(np.float64)
    log_levels = logits - logits.max()
    log_levels -= np.log(np.exp(log_levels).sum())
    return Candidate(
        apply_affine(to_film, centre),
        apply_affine(to_film, points),
        float(score[y, x]),
        log_levels,
        sacrum,
    )


def _suppress(candidates: list[Candidate]) -> list[Candidate]:
    """Keep the best of candidates that lie within one body."""
    kept: list[Candidate] = []
    for c in candidates:
        rivals = [k for k in kept if k.sacrum == c.sacrum]
        if all(
            np.hypot(*(k.centre - c.centre)) > _BODY_AREA * min(k.depth, c.depth) for k in rivals
        ):
            kept.append(c)
    return kept
