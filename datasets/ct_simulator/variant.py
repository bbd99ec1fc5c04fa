"""Whole CTs of a deformed patient: scanned with other voxels, thicker slices, noise, or in part."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from endplate.datasets.ct_simulator.api import CtPair, source_of
from endplate.datasets.ct_simulator.deform import Deformation, draw_deformation
from endplate.datasets.ct_simulator.resample import Grid, deformed_voxels
from endplate.datasets.ct_simulator.source import CtSource
from endplate.geometry.landmarks import FloatArray
from endplate.imaging.ct.volume import Volume

__all__ = ["CtVariant", "simulate_ct_volume"]

#: Keeps the draws apart from those of other generators that start from the same seed.
_STREAM: Final = 516
#: Room about the centres of the bodies: aside, behind, before, below, above; mm.
_ROOM: Final = (82.0, 85.0, 75.0, 60.0, 40.0)
#: mm within slices and from slice to slice.
_WITHIN: Final = (0.7, 1.0, 1.0, 1.5)
_ALONG: Final = (1.25, 2.0, 2.5, 3.0, 4.0)
#: Distance of the layers that a slice is the mean of, mm.
_LAYER: Final = 1.25
#: Share of scans that hold a part of the column only, and its fewest bodies.
_IN_PART: Final = 0.5
_FEWEST: Final = 5
#: What is left out at the ends of the source, which the bending makes oblique, mm.
_END: Final = 3.0
#: Noise, HU, and blur within slices, pixels: least and greatest standard deviation.
_NOISE: Final = (3.0, 40.0)
_BLUR: Final = (0.3, 0.9)


@dataclass(frozen=True, eq=False)
class CtVariant:
    """A simulated CT and where its bodies are.

    Parameters
    ----------
    volume : Volume
    points_mm : mapping of str to (6, 3) array
        LPS points of the bodies that lie inside it as a whole, head to foot.
    fractured : str or None
        Level that was broken.
    """

    volume: Volume
    points_mm: Mapping[str, FloatArray]
    fractured: str | None


def simulate_ct_volume(pair: CtPair, seed: int, fractured: float = 0.5) -> CtVariant:
    """Bend, turn and break a CT and scan it again, the same for the same seed.

    Parameters
    ----------
    fractured : float
        Chance of a fracture.
    """
    source = source_of(pair)
    rng = np.random.default_rng([seed, _STREAM])
    deformation = draw_deformation(rng, source, fractured)
    volume = _scanned(rng, source, deformation)
    points = {
        level: _lps(deformation.forward(body.points, i))
        for i, (level, body) in enumerate(zip(deformation.levels, deformation.bodies, strict=True))
    }
    broken = deformation.fracture
    whole = {level: p for level, p in points.items() if _inside(volume, p)}
    return CtVariant(volume, whole, None if broken is None else broken.level)


def _scanned(rng: np.random.Generator, source: CtSource, deformation: Deformation) -> Volume:
    """A scan of the deformed patient, in the patient's own axes."""
    within, along = float(rng.choice(_WITHIN)), float(rng.choice(_ALONG))
    layers = max(1, round(along / _LAYER))
    low, high = _box(rng, source, deformation)
    grid = Grid.over(low, high, np.array([within, within, along / layers]))
    voxels = deformed_voxels(source, deformation, grid)
    slices = voxels.shape[2] // layers
    thick = voxels[:, :, : slices * layers].reshape(*voxels.shape[:2], slices, layers).mean(axis=3)
    # rows run to the back and slices to the head, as LPS has it
    turned = np.ascontiguousarray(thick[:, ::-1].transpose(2, 1, 0))
    blur, noise = float(rng.uniform(*_BLUR)), float(rng.uniform(*_NOISE))
    for plane in turned:
        cv2.GaussianBlur(plane, (0, 0), blur, dst=plane)
    turned += rng.normal(0, noise, turned.shape).astype(np.float32)
    affine = np.diag([within, within, along, 1.0])
    first_up = grid.low[2] + (layers - 1) / 2 * grid.step[2]
    affine[:3, 3] = _lps(np.array([grid.low[0], grid.coordinates(1)[-1], first_up]))
    provenance = replace(source.ct.provenance, path=source.name, slice_spacing_mm=along)
    return Volume(_rounded(turned), affine, provenance)


def _box(
    rng: np.random.Generator, source: CtSource, deformation: Deformation
) -> tuple[FloatArray, FloatArray]:
    """Least and greatest left, front, up that is scanned."""
    centres = deformation.centres
    first, last = 0, len(centres) - 1
    if rng.random() < _IN_PART and len(centres) > _FEWEST:
        count = int(rng.integers(_FEWEST, len(centres)))
        first = int(rng.integers(0, len(centres) - count + 1))
        last = first + count - 1
    aside, behind, before, below, above = _ROOM
    inner = centres[first : last + 1]
    low = inner.min(axis=0) - np.array([aside, behind, rng.uniform(12, below)])
    high = inner.max(axis=0) + np.array([aside, before, rng.uniform(12, above)])
    # beyond the ends of the source there is nothing, and its ends move with the bodies
    lowest, highest = deformation.bodies[-1].centre[2], deformation.bodies[0].centre[2]
    low[2] = max(low[2], source.bounds[0, 2] - lowest + centres[-1, 2] + _END)
    high[2] = min(high[2], source.bounds[1, 2] - highest + centres[0, 2] - _END)
    return low, high


def _rounded(values: npt.NDArray[np.float32]) -> npt.NDArray[np.int16]:
    return np.rint(np.clip(values, -1024, 3071)).astype(np.int16)


def _lps(local: FloatArray) -> FloatArray:
    """Left, front, up to left, back, head."""
    out: FloatArray = local * np.array([1.0, -1.0, 1.0])
    return out


def _inside(volume: Volume, points: FloatArray) -> bool:
    """Whether a body lies in the volume with 1 mm to spare."""
    seen = points[~np.isnan(points).any(axis=1)]
    room = 1.0 / volume.spacing
    at = volume.to_indices(seen)
    return bool((at >= room).all() and (at <= np.array(volume.size) - 1 - room).all())
