"""Lumps of cement: ellipsoids with an uneven surface, as sagittal slices."""

from typing import Final

import numpy as np

from endplate.datasets.simulator.cement import Lump
from endplate.geometry.landmarks import FloatArray

__all__ = ["draw_lump"]

_ANGLE: Final = np.linspace(0, 2 * np.pi, 60, endpoint=False)
_COS, _SIN = np.cos(_ANGLE), np.sin(_ANGLE)
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
    t = (2 * np.arange(count) + 1) / count - 1
    waves = np.arange(2, 10 if fingers else 5)
    strength = rng.normal(0, 1, len(waves)) / waves**0.7
    phase = rng.uniform(0, 2 * np.pi, len(waves))
    # from slice to slice the fingers wander
    twist = rng.normal(0, 1.2, len(waves))
    uneven = (strength * np.cos(waves * _ANGLE[:, None] + phase + twist * t[:, None, None])).sum(
        axis=-1
    )
    uneven *= unevenness / np.sqrt((strength**2).sum() / 2)
    # blunter than an ellipsoid: a cast is about as thick near its rim as in its middle
    radius = np.sqrt(1 - np.abs(t) ** 3)[:, None] * np.maximum(1 + uneven, 0.35)
    outline = np.empty((count, len(_ANGLE), 3))
    outline[..., 0] = centre[0] + axes[0] * radius * _COS
    outline[..., 1] = centre[1] + axes[1] * radius * _SIN
    outline[..., 2] = centre[2] + axes[2] * t[:, None]
    return Lump(outline, np.full(count, 2 * axes[2] / count))
