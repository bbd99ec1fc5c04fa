"""Outlines and plates from which the bones are made."""

from typing import Final

import numpy as np

from endplate.datasets.simulator.anatomy import Body
from endplate.datasets.simulator.projection import Slabs
from endplate.geometry.landmarks import FloatArray

__all__ = ["CORTEX", "SPONGE", "inset", "lift", "plate", "rounded"]

#: Attenuation per mm above that of soft tissue, at the energy of a lateral film.
CORTEX: Final[float] = 0.040
SPONGE: Final[float] = 0.0085


def inset(outline: FloatArray, distance: float | FloatArray) -> FloatArray:
    """(..., P, 2) closed outlines moved inwards along their normals by `distance` mm."""
    ahead = np.roll(outline, -1, axis=-2) - np.roll(outline, 1, axis=-2)
    length = np.maximum(np.linalg.norm(ahead, axis=-1, keepdims=True), 1e-6)
    normal = np.stack([-ahead[..., 1], ahead[..., 0]], axis=-1) / length
    x, y = outline[..., 0], outline[..., 1]
    area = (x * np.roll(y, -1, axis=-1) - y * np.roll(x, -1, axis=-1)).sum(axis=-1)
    out: FloatArray = outline + normal * np.sign(area)[..., None, None] * np.asarray(distance)
    return out


def lift(outline: FloatArray, z: FloatArray) -> FloatArray:
    """(K, P, 3) from (K, P, 2) outlines and their (K,) lateral offsets."""
    depth = np.broadcast_to(z[:, None, None], (*outline.shape[:2], 1))
    out: FloatArray = np.concatenate([outline, depth], axis=-1)
    return out


def rounded(points: FloatArray, times: int = 2) -> FloatArray:
    """(P * 2**times, 2) closed outline after corner-cutting subdivision."""
    for _ in range(times):
        ahead = np.roll(points, -1, axis=0)
        points = np.stack([0.75 * points + 0.25 * ahead, 0.25 * points + 0.75 * ahead], axis=1)
        points = points.reshape(-1, 2)
    return points


def plate(
    body: Body,
    shape: FloatArray,
    zs: FloatArray,
    chord: float,
    shell: float = 1.0,
    core: float = 1.8,
    thickness: float = 1.0,
) -> Slabs:
    """A rounded plate fixed to a body.

    Parameters
    ----------
    body : Body
        Whose frame and size count.
    shape : (P, 2) array
        Sagittal outline in mm for a body of usual L3 size.
    zs : (K,) array
        Lateral offsets of its slices, mm at that size.
    chord : float
        Length of a lateral ray in it, mm at that size.
    shell, core : float
        Density relative to cortex and to spongy bone.
    thickness : float
        Of the shell, mm.
    """
    points = rounded(np.asarray(shape, dtype=float)) * body.size
    zs = np.asarray(zs, dtype=float) * body.size
    middle = points.mean(axis=0)
    bow = 1 - 0.25 * np.linspace(-1, 1, len(zs)) ** 2
    outline = middle + (points - middle) * bow[:, None, None]
    return Slabs(
        body.to_subject(lift(outline, zs)),
        body.to_subject(lift(inset(outline, thickness * body.size), zs)),
        np.full(len(zs), chord * body.size / len(zs)),
        CORTEX * shell * body.cortex,
        SPONGE * core * body.density,
    )
