"""Slices and projections of volumes, and drawn MR slices: pictures that are no laterals."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import cv2
import numpy as np

from endplate.datasets.film import AnnotatedFilm, GreyImage
from endplate.datasets.gatebench.phantoms import FloatImage, stored
from endplate.geometry.landmarks import FloatArray
from endplate.imaging.ct.volume import Volume

__all__ = ["ct_views", "draw_mr", "mr_views"]

_STEP: Final = 1.5
_LEAST_MM: Final = 150.0
_WATER: Final = 0.02
"""Attenuation of water, 1/mm, at the energy of a film."""


def ct_views(volume: Volume) -> Iterator[tuple[str, str, GreyImage]]:
    """Kind, name and picture of slices and projections of a CT that show no lateral spine.

    Projections from the front, as a film of spine or chest, half turned (40 degrees) and from
    above need a volume of 15 cm each way.
    """
    block = _upright(volume)
    for kind, axis, places in (
        ("CT axial slice", 0, (0.3, 0.5, 0.7)),
        ("CT coronal slice", 1, (0.35, 0.55, 0.7)),
    ):
        for place in places:
            plane = np.take(block, int(place * (block.shape[axis] - 1)), axis)
            yield kind, f"{place:.2f}", _picture(_window(plane, -160, 340))
    if min(block.shape) * _STEP < _LEAST_MM:
        return
    yield "CT coronal projection of maxima", "mip", _picture(_window(block.max(axis=1), 0, 900))
    for kind, angle in (("CT as a frontal film", 0.0), ("CT as an oblique film", 40.0)):
        for turn in (-6.0, 6.0):
            yield kind, f"{angle + turn:.0f}", _radiograph(block, angle + turn)
    yield "CT seen from above", "above", _film(_attenuation(block).sum(axis=0) * _STEP)


def mr_views(volume: Volume) -> Iterator[tuple[str, str, GreyImage]]:
    """Kind, name and picture of slices of an MR volume in three planes."""
    block = _upright(volume)
    high = float(np.percentile(block, 99.5))
    for kind, axis in (("MR axial slice", 0), ("MR coronal slice", 1), ("MR sagittal slice", 2)):
        for place in (0.35, 0.5, 0.65):
            plane = np.take(block, int(place * (block.shape[axis] - 1)), axis)
            yield kind, f"{place:.2f}", _picture(np.clip(plane / high, 0, 1))


def _upright(volume: Volume) -> FloatImage:
    """(head to foot, front to back, right to left) grid of isotropic voxels, as seen from front."""
    i, j, k = (n - 1.0 for n in volume.size)
    corners = np.array([[a, b, c] for a in (0, i) for b in (0, j) for c in (0, k)])
    places = volume.to_patient(corners)
    low, high = places.min(axis=0), places.max(axis=0)
    x, y, z = (np.arange(a, b, _STEP) for a, b in zip(low, high, strict=True))
    rows = []
    for level in z[::-1]:
        grid = np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1)
        at = np.concatenate([grid[..., 1:], grid[..., :1], np.full((*grid.shape[:2], 1), level)], 2)
        rows.append(volume.sample(at, outside=float(volume.voxels.min())))
    return np.stack(rows)


def _window(plane: FloatImage, low: float, high: float) -> FloatImage:
    out: FloatImage = np.clip((plane - low) / (high - low), 0, 1)
    return out


def _picture(plane: FloatImage) -> GreyImage:
    """A slice enlarged to 900 pixels."""
    scale = 900 / max(plane.shape)
    size = (round(plane.shape[1] * scale), round(plane.shape[0] * scale))
    return stored(np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_CUBIC), np.float32))


def _attenuation(block: FloatImage) -> FloatImage:
    """1/mm; bone counts more than its Hounsfield number says, as for the energy of a film."""
    mu = np.clip(block / 1000 + 1, 0, None)
    bone = np.clip(block - 120, 0, 2000) / 1000
    out: FloatImage = (_WATER * (mu + 0.8 * bone)).astype(np.float32)
    return out


def _radiograph(block: FloatImage, degrees: float) -> GreyImage:
    """Parallel projection along a direction that is turned from the front towards the side."""
    mu = _attenuation(block)
    depth, width = mu.shape[1:]
    side = int(np.hypot(depth, width)) + 1
    turn = cv2.getRotationMatrix2D((width / 2, depth / 2), degrees, 1.0)
    turn[:, 2] += [(side - width) / 2, (side - depth) / 2]
    total = np.stack([cv2.warpAffine(plane, turn, (side, side)).sum(axis=0) for plane in mu])
    return _film(np.asarray(total, np.float32) * _STEP)


def _film(total: FloatImage) -> GreyImage:
    """Attenuation to a film, 1,100 pixels high or wide."""
    seen = total[total > 0.1 * float(total.max())]
    low, high = (float(v) for v in np.percentile(seen, (2, 99.7)))
    image = np.clip((total - low) / (high - low), 0, 1) ** np.float32(0.9)
    scale = 1100 / max(image.shape)
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    large = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_CUBIC), np.float32)
    grain = np.random.default_rng(size[0]).standard_normal(large.shape, dtype=np.float32)
    return stored(large + np.float32(0.012) * grain)


def draw_mr(film: AnnotatedFilm, seed: int, *, bright_water: bool) -> GreyImage:
    """A midsagittal MR slice with the vertebrae of a simulated film.

    Marrow and fat bright, cortex and air dark, discs and the fluid of the canal bright
    (`bright_water`, as with T2 weighting) or dark; 320 pixels enlarged, with its coarse noise.
    """
    rng = np.random.default_rng([seed, 77])
    scale = 320 / max(film.image.shape)
    shape = (round(film.image.shape[0] * scale), round(film.image.shape[1] * scale))
    outlines = [_outline(v.points * scale) for v in film.vertebrae if not np.isnan(v.points).any()]
    if len(outlines) < 2:
        raise ValueError(f"{film.name}: fewer than two bodies to draw")
    image = np.full(shape, 0.18, np.float32)
    centres = np.array([o.mean(axis=0) for o in outlines])
    depth = float(np.mean([np.hypot(*(o[0] - o[2])) for o in outlines]))
    ahead = np.mean([(o[0] - o[2]) / np.hypot(*(o[0] - o[2])) for o in outlines], axis=0)
    rows = np.arange(-20, shape[0] + 20, 4.0)
    column = np.stack([_extend(rows, centres), rows], axis=1)
    for offset, width, value in _bands(bright_water, rng):
        line = column + ahead * offset * depth
        cv2.polylines(image, [_pixels(line)], False, value, max(1, round(width * depth)))
    _discs(image, outlines, 0.75 if bright_water else 0.22, rng)
    marrow = float(rng.uniform(0.38, 0.62))
    for outline in outlines:
        cv2.fillPoly(image, [_pixels(outline)], marrow * float(rng.uniform(0.9, 1.1)))
        cv2.polylines(image, [_pixels(outline)], True, 0.04, 1, cv2.LINE_AA)
    image = np.asarray(cv2.GaussianBlur(image, (0, 0), 0.9), np.float32)
    coil = 1 + 0.5 * np.linspace(0, 1, shape[1], dtype=np.float32) * -np.sign(ahead[0])
    noise = rng.standard_normal((2, *shape), dtype=np.float32) * 0.025
    image = np.hypot(image * coil.astype(np.float32) + noise[0], noise[1])
    return _picture((image / float(np.percentile(image, 99.5))).astype(np.float32))


def _bands(bright_water: bool, rng: np.random.Generator) -> list[tuple[float, float, float]]:
    """Offset ahead of the column and width in depths, and grey value, back to front."""
    water = 0.9 if bright_water else 0.15
    cord = 0.35 if bright_water else 0.4
    return [
        (-2.6, 0.9, 0.95),
        (-1.6, 0.9, float(rng.uniform(0.25, 0.4))),
        (-0.78, 0.46, water),
        (-0.78, 0.22, cord),
        (0.8, 0.4, 0.05),
        (1.6, 0.8, float(rng.uniform(0.2, 0.6))),
        (3.2, 0.9, 0.03),
    ]


def _discs(
    image: FloatImage, outlines: list[FloatArray], value: float, rng: np.random.Generator
) -> None:
    for above, below in pairwise(outlines):
        shape = np.array([above[5], above[3], below[2], below[0]])
        cv2.fillPoly(image, [_pixels(shape)], 0.2)
        middle = shape.mean(axis=0)
        nucleus = middle + 0.55 * (shape - middle)
        cv2.fillPoly(image, [_pixels(nucleus)], value * float(rng.uniform(0.5, 1.0)))


def _outline(points: FloatArray) -> FloatArray:
    """(6, 2) points around a body: along the top to the back, along the bottom to the front."""
    return np.asarray(points, dtype=np.float64)


def _extend(rows: FloatArray, centres: FloatArray) -> FloatArray:
    """x of the column at rows, straight on beyond its ends."""
    order = np.argsort(centres[:, 1])
    x, y = centres[order].T
    out = np.interp(rows, y, x)
    first, last = (x[1] - x[0]) / (y[1] - y[0]), (x[-1] - x[-2]) / (y[-1] - y[-2])
    out = np.where(rows < y[0], x[0] + first * (rows - y[0]), out)
    extended: FloatArray = np.where(rows > y[-1], x[-1] + last * (rows - y[-1]), out)
    return extended


def _pixels(points: FloatArray) -> FloatArray:
    out: FloatArray = np.round(points).astype(np.int32)
    return out
