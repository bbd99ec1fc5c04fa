"""Cement outside the body: in a disc, beside the body, in a vein, in the canal."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from endplate.datasets.simulator.anatomy import Body
from endplate.datasets.simulator.body import corner_points, endplate_line, waist_share
from endplate.datasets.simulator.cement import Cement, Leak, Vein
from endplate.datasets.simulator.cement_lump import draw_lump
from endplate.errors import UnknownName
from endplate.geometry.landmarks import FloatArray

__all__ = ["draw_leak"]

_UNEVEN: Final = 0.16


def draw_leak(rng: np.random.Generator, body: Body, cement: Cement, kind: str) -> Cement:
    """`cement` with a leak of that kind.

    Raises
    ------
    UnknownName
        If there is no such kind of leak.
    """
    if kind not in _WAYS:
        raise UnknownName("kind of leak", kind, tuple(_WAYS))
    return _WAYS[kind](rng, body, cement)


def _with(
    rng: np.random.Generator,
    cement: Cement,
    leak: Leak,
    middle: FloatArray,
    axes: FloatArray,
    neck: FloatArray,
    neck_axes: FloatArray,
) -> Cement:
    """A lump outside and the neck by which it got there."""
    out = draw_lump(rng, middle, axes, _UNEVEN, fingers=False)
    through = draw_lump(rng, neck, neck_axes, _UNEVEN, fingers=False)
    return replace(cement, outside=(*cement.outside, out, through), leaks=(*cement.leaks, leak))


def _disc(rng: np.random.Generator, body: Body, cement: Cement) -> Cement:
    """Through a broken endplate: a flat lens in the disc space."""
    superior = bool(rng.random() < 0.7)
    corners = corner_points(body)
    front, back = (corners[0], corners[1]) if superior else (corners[3], corners[2])
    u = float(rng.uniform(-0.15, 0.55))
    x = float(back[0] + (u + 1) / 2 * (front[0] - back[0]))
    y = float(endplate_line(body, superior, np.array([u]))[0])
    away = -1.0 if superior else 1.0
    axes = rng.uniform([4.0, 1.2, 4.0], [9.0, 2.0, 9.0])
    z = float(rng.normal(0, 4.0))
    middle = np.array([x + rng.normal(0, 1.5), y + away * (axes[1] + rng.uniform(0.2, 1.0)), z])
    neck = np.array([x, y - away * 0.8, z])
    leak = Leak("disc", "superior" if superior else "inferior")
    return _with(rng, cement, leak, middle, axes, neck, np.array([2.2, 2.6, 2.5]))


def _paravertebral(rng: np.random.Generator, body: Body, cement: Cement) -> Cement:
    """Through the wall: a streak in front of the body, or at its side."""
    axes = rng.uniform([1.2, 3.0, 3.0], [2.6, 8.0, 8.0])
    y = float(rng.uniform(-0.25, 0.25) * body.anterior)
    if rng.random() < 0.65:
        x = _front_wall(body, y)
        middle = np.array([x + axes[0] + 0.3, y, rng.normal(0, 6.0)])
        neck = np.array([x - 1.5, y, middle[2]])
        leak, neck_axes = Leak("paravertebral", "front"), np.array([3.0, 1.2, 1.5])
    else:
        side = float(rng.choice([-1, 1]))
        x = float(rng.uniform(-0.1, 0.5) * body.depth_superior / 2)
        axes = axes[[1, 2, 0]]
        middle = np.array([x, y, side * (body.width / 2 + axes[2] + 0.3)])
        neck = np.array([x, y, side * (body.width / 2 - 1.0)])
        leak, neck_axes = Leak("paravertebral", "side"), np.array([1.5, 1.5, 3.0])
    return _with(rng, cement, leak, middle, axes, neck, neck_axes)


def _epidural(rng: np.random.Generator, body: Body, cement: Cement) -> Cement:
    """Through the posterior wall: a thin layer in the canal, along the wall."""
    axes = rng.uniform([0.8, 3.0, 3.0], [1.7, 6.5, 6.0])
    y = float(rng.uniform(-0.2, 0.2) * body.posterior)
    x = _back_wall(body, y)
    middle = np.array([x - axes[0] - 0.3, y, rng.normal(0, 3.0)])
    neck = np.array([x + 2.0, y, middle[2]])
    leak = Leak("epidural", "canal")
    return _with(rng, cement, leak, middle, axes, neck, np.array([3.5, 1.0, 1.5]))


def _venous(rng: np.random.Generator, body: Body, cement: Cement) -> Cement:
    """Along a vein: out in front and about the body, or out behind into the canal's veins."""
    up = float(rng.choice([-1, 1]))
    radius = float(rng.uniform(1.2, 2.0))
    y = float(rng.normal(0, 0.05) * body.posterior)
    z = float(rng.normal(0, 5.0))
    if rng.random() < 0.65:
        wall = _front_wall(body, y)
        run = float(rng.uniform(9, 22))
        knots = [[wall - 7, y, z], [wall + 3, y, z], [wall + 5, y + up * 0.3 * run, z * 1.3],
                 [wall + rng.uniform(1, 5), y + up * run, z * 1.6]]  # fmt: skip
        place = "segmental"
    else:
        wall = _back_wall(body, y)
        run = float(rng.uniform(5, 12))
        knots = [[wall + 9, y, 0.3 * z], [wall - 2, y, 0.3 * z], [wall - 2.5, y + up * 3, 0.5 * z],
                 [wall - 2.5, y + up * run, 0.5 * z]]  # fmt: skip
        place = "basivertebral"
    vein = Vein(_curve(np.array(knots)), radius)
    leak = Leak("venous", place)
    return replace(cement, veins=(*cement.veins, vein), leaks=(*cement.leaks, leak))


def _curve(knots: FloatArray) -> FloatArray:
    """(16, 3) points of the cubic with four control points."""
    f = np.linspace(0, 1, 16)[:, None]
    a, b, c, d = knots
    out: FloatArray = (
        (1 - f) ** 3 * a + 3 * f * (1 - f) ** 2 * b + 3 * f**2 * (1 - f) * c + f**3 * d
    )
    return out


def _front_wall(body: Body, y: float) -> float:
    """x of the anterior wall at a height of the body's frame."""
    sa, _, _, ia = corner_points(body)
    v = float(np.clip((y - sa[1]) / (ia[1] - sa[1]), 0, 1))
    waist = body.waist_anterior * float(waist_share(v))
    return float(sa[0] + v * (ia[0] - sa[0]) - waist + body.step)


def _back_wall(body: Body, y: float) -> float:
    """x of the posterior wall, its bulge included."""
    _, sp, ip, _ = corner_points(body)
    v = float(np.clip((y - sp[1]) / (ip[1] - sp[1]), 0, 1))
    waist = body.waist_posterior * float(waist_share(v))
    return float(sp[0] + v * (ip[0] - sp[0]) + waist - body.bulge)


_WAYS: Final[dict[str, Callable[[np.random.Generator, Body, Cement], Cement]]] = {
    "disc": _disc,
    "paravertebral": _paravertebral,
    "epidural": _epidural,
    "venous": _venous,
}
