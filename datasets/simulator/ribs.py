"""The twelve pairs of ribs as tubes."""

import numpy as np

from endplate.datasets.simulator.anatomy import Body, SpineModel
from endplate.datasets.simulator.projection import Tube
from endplate.datasets.simulator.shapes import CORTEX
from endplate.geometry.landmarks import FloatArray

__all__ = ["rib_tubes"]


def rib_tubes(spine: SpineModel, rng: np.random.Generator) -> list[Tube]:
    """Both ribs of every thoracic vertebra, and rarely a small one of L1."""
    thoracic = [b for b in spine.bodies if b.level[0] == "T"]
    last = len(thoracic)
    short = 0.12 if rng.random() < 0.15 else rng.uniform(0.22, 0.4)
    strength = rng.uniform(0.35, 0.85)
    tubes = []
    for i, body in enumerate(thoracic, start=1):
        reach = (
            rng.uniform(0.7, 0.85)
            if i < last - 1
            else (rng.uniform(0.42, 0.6) if i == last - 1 else short)
        )
        for side in (-1, 1):
            line = _course(body, i, side, reach, spine.size, rng) + body.centre
            radius = rng.uniform(4.2, 5.6) * spine.size * (0.8 if i == last else 1.0)
            tubes.append(Tube(line, radius, 0.7 * CORTEX * strength, 0.36 * CORTEX * strength))
    l1 = spine.body("L1")
    if l1 is not None and rng.random() < 0.05:
        for side in (-1, 1):
            line = _course(l1, 12, side, 0.1, spine.size, rng) + l1.centre
            tubes.append(Tube(line, 3.5 * spine.size, 0.5 * CORTEX, 0.3 * CORTEX))
    return tubes


def _course(
    body: Body, number: int, side: int, reach: float, size: float, rng: np.random.Generator
) -> FloatArray:
    """(N, 3) centre line from the body: back to the angle, down around the flank, then forwards."""
    girth = np.interp(number, [1, 4, 8, 12], [50, 95, 122, 112]) * size
    depth = np.interp(number, [1, 4, 8, 12], [60, 120, 165, 150]) * size
    fall = np.interp(number, [1, 4, 8, 12], [60, 110, 155, 165]) * size * rng.normal(1.0, 0.05)
    s = np.linspace(0.0, reach, 48)
    a = np.pi * s
    angle = 20 * size * np.sin(np.minimum(a / 0.45, np.pi)) ** 1.2
    x = -16 * body.size - angle + depth * (1 - np.cos(a)) / 2
    z = side * (10 * body.size + girth * np.sin(a) ** 0.8)
    y = -0.35 * body.posterior + fall * (0.75 * s + 0.25 * np.sin(a / 2)) + side * rng.normal(0, 2)
    lean = 0.5 * body.angles[0]
    c, d = np.cos(lean), np.sin(lean)
    out: FloatArray = np.stack([c * x - d * y, d * x + c * y, z], axis=1)
    return out
