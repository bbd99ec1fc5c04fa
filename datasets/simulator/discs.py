"""Gas in worn discs (vacuum phenomenon)."""

import numpy as np

from endplate.datasets.simulator.anatomy import Body, SpineModel
from endplate.datasets.simulator.body import corner_points
from endplate.datasets.simulator.projection import Slabs
from endplate.datasets.simulator.shapes import lift, rounded

__all__ = ["vacuum_slabs"]


def vacuum_slabs(spine: SpineModel, rng: np.random.Generator) -> list[Slabs]:
    """Clefts of gas, which take attenuation away, in the discs that hold some."""
    below = (*spine.bodies[1:], spine.sacrum)
    return [
        _cleft(upper, lower, height, rng)
        for upper, lower, height, gas in zip(
            spine.bodies, below, spine.disc_heights, spine.vacuum, strict=True
        )
        if gas
    ]


def _cleft(upper: Body, lower: Body, height: float, rng: np.random.Generator) -> Slabs:
    """A thin lens in the middle of the disc, in the frame of the body below."""
    sa, sp = corner_points(lower)[:2]
    start, stop = rng.uniform(0.1, 0.4), rng.uniform(0.6, 0.92)
    thick = min(0.35 * height, rng.uniform(0.8, 2.2))
    # Parallel to the middle of the disc, whose two endplates differ in direction.
    open_by = (upper.angles[0] - upper.wedge_deg * np.pi / 360) - (
        lower.angles[0] + lower.wedge_deg * np.pi / 360
    )
    s = np.linspace(start, stop, 7)
    line = sp + s[:, None] * (sa - sp) - [0.0, 0.5 * height]
    line[:, 1] += np.tan(open_by / 2) * (s - 0.5) * lower.depth_superior
    swell = thick / 2 * np.sqrt(np.maximum(1 - np.linspace(-1, 1, 7) ** 2, 0.05))
    lens = np.concatenate([line - swell[:, None] * [0, 1], (line + swell[:, None] * [0, 1])[::-1]])
    z = np.linspace(-0.3, 0.3, 7) * lower.width
    outline = np.repeat(rounded(lens, 1)[None], 7, axis=0)
    gas = -0.018 * rng.uniform(0.6, 1.0)
    return Slabs(
        lower.to_subject(lift(outline, z)), None, np.full(7, 0.085 * lower.width), gas, 0.0
    )
