"""Pedicles, articular processes, laminae, spinous and transverse processes."""

from typing import Final

import numpy as np

from endplate.datasets.simulator.anatomy import Body
from endplate.datasets.simulator.projection import Slabs
from endplate.datasets.simulator.shapes import plate
from endplate.geometry.landmarks import FloatArray

__all__ = ["posterior_slabs"]

# Outlines for a usual L3: mm behind the posterior wall, mm below the superior endplate (first
# block) or below the inferior endplate (rows marked 1 in the last column).
_Shape = tuple[tuple[float, float, int], ...]
_PEDICLE: Final[_Shape] = (
    (-3, 1.5, 0), (3, 2.4, 0), (9, 1.0, 0), (12, 4, 0), (12, 15, 0), (7, 13.2, 0), (3, 14.0, 0),
    (0.5, 16.5, 0), (-3, 19, 0),
)  # fmt: skip
_SUPERIOR: Final[_Shape] = (
    (7, 11, 0), (8, 1, 0), (9.5, -7, 0), (13, -10, 0), (17, -7, 0), (18, 6, 0), (14, 14, 0),
)  # fmt: skip
_INFERIOR: Final[_Shape] = (
    (8, 5, 0), (16, 3, 0), (23, 10, 0), (25, -3, 1), (24, 8, 1), (19, 12, 1), (15.5, 8, 1),
    (15, -2, 1), (10, -10, 1),
)  # fmt: skip
_SPINOUS: Final[_Shape] = (
    (16, 9, 0), (26, 8, 0), (40, 10, 0), (49, 13, 0), (49, 1, 1), (44, 4, 1), (36, 5, 1),
    (24, 2, 1), (17, -4, 1),
)  # fmt: skip


def _placed(shape: _Shape, body: Body, rng: np.random.Generator, droop: float = 0.0) -> FloatArray:
    """(P, 2) outline in mm of the body's frame at usual L3 size, a little varied."""
    wall = -(body.depth_superior + body.depth_inferior) / 4 / body.size
    half = body.posterior / 2 / body.size
    points = np.array(shape, dtype=float)
    behind = points[:, 0]
    x = wall - behind
    y = np.where(points[:, 2] > 0, half, -half) + points[:, 1]
    y = y + droop * np.clip((behind - 15) / 30, 0, 1)
    out: FloatArray = np.stack([x, y], axis=1)
    return out + rng.normal(0, 0.5, out.shape) * (behind > 0)[:, None]


def posterior_slabs(body: Body, rng: np.random.Generator) -> list[Slabs]:
    """Everything behind the posterior wall of one vertebra, both sides."""
    lumbar = body.level[0] == "L"
    cervical = body.level[0] == "C"
    size = body.size
    pedicle_z = 0.33 * body.width / size
    arthritis = float(rng.uniform(0.8, 1.4)) if lumbar else 0.8
    parts = []
    spread = np.linspace(-1, 1, 5)
    for side in (-1, 1):
        z = side * pedicle_z
        parts.append(plate(body, _placed(_PEDICLE, body, rng), z + 4.5 * spread, 9.0, 0.7, 2.2))
        parts.append(
            plate(
                body,
                _placed(_SUPERIOR, body, rng),
                z + side * 4 + 5 * spread,
                9.0 * arthritis,
                0.9,
                2.4,
            )
        )
        parts.append(
            plate(body, _placed(_INFERIOR, body, rng), 0.85 * z + 5 * spread, 9.0, 0.9, 2.2)
        )
        if not cervical:
            parts.append(_transverse(body, side, lumbar, rng))
    droop = 3.0 if lumbar else 16.0
    spinous = _placed(_SPINOUS, body, rng, droop)
    if cervical:
        spinous = spinous * [0.85, 1.0]
    parts.append(plate(body, spinous, 2.5 * spread, 6.5, 0.6, 1.6, 0.8))
    return parts


def _transverse(body: Body, side: int, lumbar: bool, rng: np.random.Generator) -> Slabs:
    """Transverse process, seen end on."""
    wall = -(body.depth_superior + body.depth_inferior) / 4 / body.size
    half = body.posterior / 2 / body.size
    x, y = wall - (9.0 if lumbar else 16.0), -half + 8 + rng.normal(0, 0.6)
    a = np.linspace(0, 2 * np.pi, 7)[:-1]
    wide = 4.0 if lumbar else 5.5
    circle = np.stack([x + wide * np.cos(a), y + 5.5 * np.sin(a)], axis=1)
    reach = np.linspace(18, 36, 6) if lumbar else np.linspace(12, 30, 6)
    return plate(body, circle, side * reach, 14.0, 0.35, 0.8)
