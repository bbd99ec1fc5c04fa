"""Find the spinal column in a CT without labels: the canal and the body before it."""

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from endplate.errors import GeometryError
from endplate.geometry.landmarks import FloatArray
from endplate.imaging.ct.bodyframe import tangents
from endplate.imaging.ct.curve import CentreLine, centre_line
from endplate.imaging.ct.symmetry import made_symmetric
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
_ANGLES: Final = tuple(range(-45, 46, 15))
#: Distance from the canal to the middle of the body, mm.
_CANAL_TO_BODY: Final = 21.0
#: Cost of a sideways step of one grid place.
_STEP_COST: Final = 0.03
#: Cost of each 15 degrees off the patient's own front, and of bone unlike left and right.
_TURN_COST: Final = 0.07
_UNEVEN_COST: Final = 0.8
#: Cost of lying 50 mm aside of the middle of the trunk, or 35 mm before it.
_ASIDE_COST: Final = 0.2
#: Least score of a column.
_LEAST: Final = 0.1
#: Distance of the knots of the line, and least length of a column; mm.
_KNOTS: Final = 24.0
_SHORTEST: Final = 50.0
#: How far from the ends of the canal the first and last knots lie, mm.
_INSET: Final = 9.0

_Map = npt.NDArray[np.float32]


def find_column_line(ct: Volume) -> CentreLine:
    """Centre line of the spine.

    In each slice every place is scored as canal: soft tissue, a broad body of bone before it,
    an arch of bone behind and beside it, alike left and right. The best smooth path through a
    run of slices is the canal.

    Raises
    ------
    GeometryError
        If there is no such path of 50 mm or more.
    """
    bone, air, origin = _coarse(ct)
    scores = _scores(bone, air) - _off_middle(air)
    path, first = _best_path(scores - np.float32(_LEAST))
    if len(path) * _GRID < _SHORTEST:
        raise GeometryError(
            f"{ct.provenance.path}: no spinal column of {_SHORTEST:.0f} mm or more was found in it:"
            f" too few vertebrae; it covers {len(scores) * _GRID:.0f} mm from head to foot, and two"
            " whole vertebrae with what lies between them take about 60 mm"
        )
    turn, score = _turns(bone, air, path, first)
    return _line(ct, path, turn, score, origin, first)


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


def _scores(bone: _Map, air: _Map) -> _Map:
    """Score of each place as canal, for the best direction to the front."""
    best = np.full(bone.shape, -9.0, dtype=np.float32)
    for angle in _ANGLES:
        kernels = _kernels(np.radians(angle))
        for k in range(len(bone)):
            images = (bone[k], air[k], bone[k], bone[k])
            maps = [_filtered(m, w) for m, w in zip(images, kernels, strict=True)]
            np.maximum(best[k], _combined(maps, angle), out=best[k])
    return best


def _filtered(image: _Map, kernel: _Map) -> _Map:
    out = cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(out, dtype=np.float32)


def _combined(responses: Sequence[_Map], angle: float) -> _Map:
    """Score of the responses to the four kernels."""
    solid, empty, body, arch = responses
    cost = np.float32(_TURN_COST * abs(angle) / 15)
    uneven = np.float32(0.4) * np.abs(body) + np.abs(arch)
    return np.asarray(solid + empty - np.float32(_UNEVEN_COST) * uneven - cost, dtype=np.float32)


def _off_middle(air: _Map) -> _Map:
    """Cost of lying far aside of the middle of the trunk, or before it; (z, y, x)."""
    tissue = 1 - air
    all_of_it = tissue.sum(axis=(1, 2)) + 1e-3
    x = np.arange(air.shape[2], dtype=np.float32)
    y = np.arange(air.shape[1], dtype=np.float32)
    middle = (tissue.sum(axis=1) * x).sum(axis=1) / all_of_it
    depth = (tissue.sum(axis=2) * y).sum(axis=1) / all_of_it
    aside = np.abs(x[None, :] - middle[:, None]) * _GRID
    # rows count to the back, where a canal lies
    before = (depth[:, None] - y[None, :]) * _GRID
    cost = np.maximum(aside - 25, 0)[:, None, :] + np.maximum(before - 10, 0)[:, :, None]
    return np.asarray(cost * np.float32(_ASIDE_COST / 25), dtype=np.float32)


def _turns(
    bone: _Map, air: _Map, path: npt.NDArray[np.int64], first: int
) -> tuple[FloatArray, FloatArray]:
    """Direction to the front and score at each slice of the path, smooth along it."""
    half = 14
    patches = []
    for k, (row, column) in enumerate(path, start=first):
        pads = [np.pad(m[k], half, mode="edge") for m in (bone, air)]
        cut = np.s_[row : row + 2 * half + 1, column : column + 2 * half + 1]
        patches.append([p[cut] for p in pads])
    table = np.zeros((len(path), len(_ANGLES)))
    for n, angle in enumerate(_ANGLES):
        kernels = _kernels(np.radians(angle))
        for k, (solid, empty) in enumerate(patches):
            images = (solid, empty, solid, solid)
            maps = [np.float32((m * w).sum()) for m, w in zip(images, kernels, strict=True)]
            table[k, n] = float(_combined([np.asarray(v) for v in maps], angle))
    size = 2 * round(20 / _GRID) + 1
    padded = np.pad(table, ((size // 2, size // 2), (0, 0)), mode="edge")
    smooth = np.stack(
        [np.convolve(padded[:, n], np.ones(size) / size, "valid") for n in range(len(_ANGLES))], 1
    )
    best = smooth.argmax(axis=1)
    weight = np.exp((smooth - smooth.max(axis=1, keepdims=True)) / 0.05)
    weight[np.abs(np.arange(len(_ANGLES))[None, :] - best[:, None]) > 1] = 0
    turn = (weight * np.radians(np.array(_ANGLES))).sum(axis=1) / weight.sum(axis=1)
    return turn, smooth.max(axis=1)


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


def _best_path(scores: _Map) -> tuple[npt.NDArray[np.int64], int]:
    """Path of the greatest sum over any run of slices, by dynamic programming.

    Returns
    -------
    path : (slices, 2) array
        Row, column.
    first : int
        Slice at which it begins.
    """
    n, rows, columns = scores.shape
    shifts = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    total = scores[0].copy()
    back = np.full(scores.shape, -1, dtype=np.int8)
    best, end = float(total.max()), (0, int(total.argmax()))
    for k in range(1, n):
        padded = np.pad(total, 1, constant_values=-1e9)
        options = np.stack(
            [
                padded[1 + dy : 1 + dy + rows, 1 + dx : 1 + dx + columns]
                - np.float32(_STEP_COST * np.hypot(dy, dx))
                for dy, dx in shifts
            ]
        )
        before = options.max(axis=0)
        back[k] = np.where(before > 0, options.argmax(axis=0), -1)
        total = scores[k] + np.maximum(before, 0)
        if float(total.max()) > best:
            best, end = float(total.max()), (k, int(total.argmax()))
    k, flat = end
    at = np.array(np.unravel_index(flat, (rows, columns)))
    path = [at]
    while (step := int(back[k, at[0], at[1]])) >= 0:
        at = at + np.array(shifts[step])
        k -= 1
        path.append(at)
    return np.array(path[::-1], dtype=np.int64), k


def _line(
    ct: Volume,
    path: npt.NDArray[np.int64],
    turn: FloatArray,
    score: FloatArray,
    origin: FloatArray,
    first: int,
) -> CentreLine:
    """Smooth line through the bodies before the canal."""
    canal = origin + _GRID * np.column_stack(
        [path[:, 1], path[:, 0], np.arange(first, first + len(path))]
    )
    ahead_of = np.column_stack([np.sin(turn), -np.cos(turn), np.zeros(len(turn))])
    weights = np.maximum(score, 0.01)
    knots = max(3, round(len(path) * _GRID / _KNOTS))
    # nearer to the ends the volume shows too little to be made symmetric
    inset = min(_INSET / _GRID, (len(path) - 1) / 4)
    at = np.linspace(len(path) - 1 - inset, inset, knots)
    centres, fronts = [], []
    k = np.arange(len(path))
    for place in at:
        near = weights * np.exp(-0.5 * ((k - place) * _GRID / (0.6 * _KNOTS)) ** 2)
        design = np.column_stack([np.ones(len(k)), k - place]) * np.sqrt(near)[:, None]
        values = np.column_stack([canal, ahead_of]) * np.sqrt(near)[:, None]
        level = np.linalg.lstsq(design, values, rcond=None)[0][0]
        ahead = level[3:] / np.linalg.norm(level[3:])
        centres.append(level[:3] + _CANAL_TO_BODY * ahead)
        fronts.append(ahead)
    pairs = [
        made_symmetric(ct, centre, front, up)
        for centre, front, up in zip(centres, fronts, tangents(centres), strict=True)
    ]
    return centre_line(
        [p[0] for p in pairs],
        [p[1] for p in pairs],
        reach=(12.0 + inset * _GRID, 12.0 + inset * _GRID),
    )
