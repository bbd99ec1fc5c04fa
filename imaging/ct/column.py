"""Find the spinal column in a CT without labels: the canal and the body before it."""

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from endplate.errors import GeometryError
from endplate.geometry.landmarks import FloatArray
from endplate.imaging.ct.curve import CentreLine, centre_line
from endplate.imaging.ct.volume import Volume

__all__ = ["find_column_line"]

#: Grid of the search, mm.
_GRID: Final = 3.0
#: Hounsfield units at which bone begins and is certain.
_BONE: Final = (130.0, 330.0)
_AIR: Final = -250.0
#: Length over which slices are averaged, so that bodies and discs look alike; mm.
_ALONG: Final = 27.0
#: Directions to the front that are tried, degrees from the patient's own.
_ANGLES: Final = tuple(range(-60, 61, 15))
#: Distance from the canal to the middle of the body, mm.
_CANAL_TO_BODY: Final = 21.0
#: Cost of a sideways step of one grid place.
_STEP_COST: Final = 0.03
#: Cost of each 15 degrees off the patient's own front, and of bone unlike left and right.
_TURN_COST: Final = 0.03
_UNEVEN_COST: Final = 0.8
#: Least score of a column, and part of the median one at which it ends.
_LEAST: Final = 0.16
_ENDS: Final = 0.5
#: Distance of the knots of the line, and least length of a column; mm.
_KNOTS: Final = 24.0
_SHORTEST: Final = 50.0

_Map = npt.NDArray[np.float32]


def find_column_line(ct: Volume) -> CentreLine:
    """Centre line of the spine.

    In each slice every place is scored as canal: soft tissue, a broad body of bone before it,
    an arch of bone behind and beside it. The best smooth path through the slices is the canal.

    Raises
    ------
    GeometryError
        If there is no such path of 50 mm or more.
    """
    bone, air, origin = _coarse(ct)
    scores, angles = _scores(bone, air)
    path = _best_path(scores)
    k = np.arange(len(path))
    score = scores[k, path[:, 0], path[:, 1]].astype(np.float64)
    turn = np.radians(np.array(_ANGLES))[angles[k, path[:, 0], path[:, 1]]]
    first, last = _column_range(score)
    if (last - first) * _GRID < _SHORTEST:
        raise GeometryError(
            f"{ct.provenance.path}: no spinal column of {_SHORTEST:.0f} mm or more was found in it"
        )
    return _line(path[first:last], turn[first:last], score[first:last], origin, first)


def _coarse(ct: Volume) -> tuple[_Map, _Map, FloatArray]:
    """(z, y, x) shares of bone and air on an LPS grid, head last, and its first place."""
    corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)], dtype=float)
    spread = ct.to_patient(corners * (np.array(ct.size) - 1))
    low, high = spread.min(axis=0), spread.max(axis=0)
    counts = np.floor((high - low) / _GRID).astype(int) + 1
    x, y = (low[d] + _GRID * np.arange(counts[d]) for d in (0, 1))
    gx, gy = np.meshgrid(x, y)
    bone = np.empty((counts[2], counts[1], counts[0]), dtype=np.float32)
    air = np.empty_like(bone)
    for k in range(counts[2]):
        height = np.full_like(gx, low[2] + _GRID * k)
        values = ct.sample(np.stack([gx, gy, height], axis=-1))
        bone[k] = np.clip((values - _BONE[0]) / (_BONE[1] - _BONE[0]), 0, 1)
        air[k] = values < _AIR
    size = max(1, min(round(_ALONG / _GRID), len(bone)))
    return _run_mean(bone, size), _run_mean(air, size), low


def _run_mean(values: _Map, size: int) -> _Map:
    """Running mean over slices, of fewer at the ends."""
    sums = np.concatenate([np.zeros_like(values[:1]), np.cumsum(values, axis=0)])
    k = np.arange(len(values))
    a = np.maximum(k - size // 2, 0)
    b = np.minimum(k + size // 2 + 1, len(values))
    out: _Map = ((sums[b] - sums[a]) / (b - a)[:, None, None]).astype(np.float32)
    return out


def _scores(bone: _Map, air: _Map) -> tuple[_Map, npt.NDArray[np.int8]]:
    """Score of each place as canal, and the index of the best direction to the front."""
    best = np.full(bone.shape, -9.0, dtype=np.float32)
    which = np.zeros(bone.shape, dtype=np.int8)
    for n, angle in enumerate(_ANGLES):
        of_bone, of_air, *uneven = _kernels(np.radians(angle))
        for k in range(len(bone)):
            solid = cv2.filter2D(bone[k], -1, of_bone, borderType=cv2.BORDER_REPLICATE)
            empty = cv2.filter2D(air[k], -1, of_air, borderType=cv2.BORDER_REPLICATE)
            score = np.add(solid, empty) - np.float32(_TURN_COST * abs(angle) / 15)
            for kernel in uneven:
                more = cv2.filter2D(bone[k], -1, kernel, borderType=cv2.BORDER_REPLICATE)
                score -= np.float32(_UNEVEN_COST) * np.abs(more)
            better = score > best[k]
            best[k][better] = score[better]
            which[k][better] = n
    return best, which


def _kernels(angle: float) -> tuple[_Map, _Map, _Map, _Map]:
    """Weights of bone and of air around a canal whose front is at `angle`.

    The last two are the left less the right half of the body and of the arch.
    """
    half = 14
    y, x = np.mgrid[-half : half + 1, -half : half + 1] * _GRID
    front = np.array([np.sin(angle), -np.cos(angle)])
    ahead = x * front[0] + y * front[1]
    aside = x * front[1] - y * front[0]
    far = np.hypot(x, y)
    canal = far <= 6.5
    body = np.hypot(ahead - _CANAL_TO_BODY, aside) <= 12.5
    arch = (far > 9.5) & (far <= 17.5) & (ahead < 4)
    beyond = np.hypot(ahead - _CANAL_TO_BODY, aside)
    around = (beyond > 24) & (beyond <= 31) & (ahead > 15)
    of_bone = body / body.sum() + 0.7 * arch / arch.sum() - 1.3 * canal / canal.sum()
    of_bone -= 0.5 * around / around.sum()
    of_air = -(canal / canal.sum() + body / body.sum() + 0.5 * arch / arch.sum())
    flanks = (np.abs(ahead - _CANAL_TO_BODY) <= 13) & (np.abs(aside) <= 30)
    sides = [np.sign(aside) * part * 2 / part.sum() for part in (flanks, arch)]
    out = tuple(m.astype(np.float32) for m in (of_bone, of_air, *sides))
    return out[0], out[1], out[2], out[3]


def _best_path(scores: _Map) -> npt.NDArray[np.int64]:
    """(slices, 2) row, column of the path of the greatest sum, by dynamic programming."""
    n, rows, columns = scores.shape
    shifts = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    total = scores[0].copy()
    back = np.zeros(scores.shape, dtype=np.int8)
    for k in range(1, n):
        padded = np.pad(total, 1, constant_values=-1e9)
        options = np.stack(
            [
                padded[1 + dy : 1 + dy + rows, 1 + dx : 1 + dx + columns]
                - _STEP_COST * np.hypot(dy, dx)
                for dy, dx in shifts
            ]
        )
        back[k] = options.argmax(axis=0)
        total = scores[k] + options.max(axis=0)
    path = np.zeros((n, 2), dtype=np.int64)
    path[-1] = np.unravel_index(int(total.argmax()), total.shape)
    for k in range(n - 1, 0, -1):
        path[k - 1] = path[k] + shifts[back[k, path[k, 0], path[k, 1]]]
    return path


def _column_range(score: FloatArray) -> tuple[int, int]:
    """Longest run of slices of a good score, as a half-open range."""
    size = 9
    smooth = np.convolve(np.pad(score, size // 2, mode="edge"), np.ones(size) / size, "valid")
    usual = float(np.median(smooth[smooth > _LEAST])) if (smooth > _LEAST).any() else 1.0
    good = smooth > max(_LEAST, _ENDS * usual)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], good.astype(int), [0]])))
    if len(edges) == 0:
        return 0, 0
    runs = edges.reshape(-1, 2)
    first, last = runs[int(np.argmax(runs[:, 1] - runs[:, 0]))]
    return int(first), int(last)


def _line(
    path: npt.NDArray[np.int64], turn: FloatArray, score: FloatArray, origin: FloatArray, first: int
) -> CentreLine:
    """Smooth line through the bodies before the canal."""
    canal = origin + _GRID * np.column_stack(
        [path[:, 1], path[:, 0], np.arange(first, first + len(path))]
    )
    front = np.column_stack([np.sin(turn), -np.cos(turn), np.zeros(len(turn))])
    weights = np.maximum(score, 0.01)
    knots = max(3, round(len(path) * _GRID / _KNOTS))
    at = np.linspace(len(path) - 1, 0, knots)
    centres, fronts = [], []
    k = np.arange(len(path))
    for place in at:
        near = weights * np.exp(-0.5 * ((k - place) * _GRID / (0.6 * _KNOTS)) ** 2)
        design = np.column_stack([np.ones(len(k)), k - place]) * np.sqrt(near)[:, None]
        values = np.column_stack([canal, front]) * np.sqrt(near)[:, None]
        level = np.linalg.lstsq(design, values, rcond=None)[0][0]
        ahead = level[3:] / np.linalg.norm(level[3:])
        centres.append(level[:3] + _CANAL_TO_BODY * ahead)
        fronts.append(ahead)
    return centre_line(centres, fronts, reach=(12.0, 12.0))
