"""Lumps of cement: ellipsoids with an uneven surface, as sagittal slices."""

from typing import Final

import numpy as np

from endplate.datasets.simulator.cement import Lump
from endplate.geometry.landmarks import FloatArray

__all__ = ["draw_lump"]

_POINTS: Final = 60
_SLICE_MM: Final = 1.2


def draw_lump(
    rng: np.random.Generator,
    centre: FloatArray,
    axes: FloatArray,
    unevenness: float,
    fingers: bool,
) -> Lump:
    """Draw one.

    Parameters
    ----------
    centre, axes : (3,) array
        Middle and half axes in the body's frame, mm.
    unevenness : float
        Standard deviation of the radius, as a share of it.
    fingers : bool
        Whether the surface has lobes and fingers (up to nine about a slice), or slow swellings
        only.
    """
    count = int(np.clip(np.ceil(2 * axes[2] / _SLICE_MM), 3, 15))
    edges = np.linspace(-1, 1, count + 1)
    t = (edges[1:] + edges[:-1]) / 2
    angle = np.linspace(0, 2 * np.pi, _POINTS, endpoint=False)
    waves = np.arange(2, 10 if fingers else 5)
    strength = rng.normal(0, 1, len(waves)) / waves**0.7
    phase = rng.uniform(0, 2 * np.pi, len(waves))
    # from slice to slice the fingers wander
    twist = rng.normal(0, 1.2, len(waves))
    uneven = (strength * np.cos(waves * angle[:, None] + phase + twist * t[:, None, None])).sum(
        axis=-1
    )
    uneven *= unevenness / np.sqrt((strength**2).sum() / 2)
    # blunter than an ellipsoid: a cast is about as thick near its rim as in its middle
    radius = np.sqrt(1 - np.abs(t) ** 3)[:, None] * np.maximum(1 + uneven, 0.35)
    outline = np.stack(
        [
            centre[0] + axes[0] * radius * np.cos(angle),
            centre[1] + axes[1] * radius * np.sin(angle),
            np.broadcast_to(centre[2] + axes[2] * t[:, None], radius.shape),
        ],
        axis=-1,
    )
    return Lump(outline, np.full(count, 2 * axes[2] / count))
