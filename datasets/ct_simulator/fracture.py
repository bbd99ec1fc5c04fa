"""Breaking a body of a CT: told backwards, from the broken body to the whole one."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from endplate.datasets.ct_simulator.source import SourceBody
from endplate.geometry.landmarks import FloatArray

__all__ = ["BREAKABLE", "Fracture", "draw_fracture", "restored", "smooth_step"]

BREAKABLE: Final = ("T10", "T11", "T12", "L1", "L2", "L3", "L4")
#: Width of a body over its depth, about that of T12 to L3.
_WIDTH: Final = 1.25
#: mm behind the posterior wall, in the canal, over which a bulge dies away.
_CANAL: Final = 16.0
#: mm beside a body, and above and below it, over which its widening dies away.
_ASIDE: Final = 25.0
_BEYOND: Final = 8.0
#: Where the posterior wall bulges most and how far up and down that reaches, half heights: the
#: fragment of a burst fracture is its upper part. And how far to the sides, in depths.
_FRAGMENT: Final = (0.45, 0.6)
_FRAGMENT_SIDE: Final = 0.35


@dataclass(frozen=True, slots=True)
class Fracture:
    """A body that lost height.

    Parameters
    ----------
    level, kind : str
        ``wedge``, ``biconcave``, ``crush`` or ``burst``.
    loss : float
        Largest part of the height that is lost, 0 to 1.
    bulge : float
        mm by which the posterior wall stands into the canal (burst).
    swell : float
        Part by which the body has become wider and deeper (burst).
    """

    level: str
    kind: str
    loss: float
    bulge: float = 0.0
    swell: float = 0.0

    def left(self, front: FloatArray) -> FloatArray:
        """Part of the height that is left at a place from -0.5 (back) to 0.5 (front)."""
        across = np.clip(front, -0.5, 0.5)
        if self.kind == "wedge":
            lost = self.loss * (across + 0.5)
        elif self.kind == "biconcave":
            lost = self.loss * (1 - (2 * across) ** 2)
        elif self.kind == "burst":
            lost = self.loss * (0.7 + 0.6 * across)
        else:
            lost = self.loss * (0.8 + 0.4 * across)
        out: FloatArray = 1 - lost
        return out

    @property
    def wedging(self) -> float:
        """How much more of the height the front loses than the back."""
        front, back = self.left(np.array([0.5, -0.5]))
        return float(back - front)

    def record(self) -> dict[str, Any]:
        """What stands in the attributes of a film."""
        about: dict[str, Any] = {"level": self.level, "type": self.kind}
        about["loss"] = round(self.loss, 3)
        if self.kind == "burst":
            about |= {"bulge_mm": round(self.bulge, 2), "swell": round(self.swell, 3)}
        return about


def draw_fracture(rng: np.random.Generator, levels: list[str]) -> Fracture:
    """Break one of `levels`.

    The spreads are assumed: half of the height at most, bulges of 2 to 7 mm and bodies 3 to 10 %
    wider.
    """
    kind = str(rng.choice(["burst", "wedge", "biconcave", "crush"], p=(0.2, 0.4, 0.2, 0.2)))
    level, loss = str(rng.choice(levels)), float(rng.uniform(0.1, 0.5))
    if kind != "burst":
        return Fracture(level, kind, loss)
    # of its own generator, so that everything that is drawn later stays as it is
    own = rng.spawn(1)[0]
    return Fracture(level, kind, loss, float(own.uniform(2, 7)), float(own.uniform(0.03, 0.10)))


def restored(own: FloatArray, body: SourceBody, fracture: Fracture) -> FloatArray:
    """(N, 3) places of the broken body to those of the whole one, about its centre, in the CT's
    axes.
    """
    local = own @ body.axes.T
    if fracture.kind == "burst":
        local = _gathered(local, body, fracture)
    left = fracture.left(local[:, 1] / body.depth)
    half = body.height / 2 * left
    inside = np.abs(local[:, 2]) <= half
    beyond = local[:, 2] + np.sign(local[:, 2]) * (body.height / 2 - half)
    local[:, 2] = np.where(inside, local[:, 2] / left, beyond)
    out: FloatArray = local @ body.axes
    return out


def _gathered(local: FloatArray, body: SourceBody, fracture: Fracture) -> FloatArray:
    """Undo the widening and the bulge of a burst body; `local` is left, front and up of it."""
    x, y, z = local.T
    half = body.height / 2 * fracture.left(y / body.depth)
    within = smooth_step(1 - (np.abs(z) - half) / _BEYOND)
    half_width, half_depth = _WIDTH * body.depth / 2, body.depth / 2
    aside = np.sign(x) * half_width * _tent(np.abs(x), half_width, _ASIDE)
    ahead = half_depth * _tent(np.maximum(y, 0.0), half_depth, _ASIDE)
    centre, reach = _FRAGMENT
    fragment = np.exp(-(((z / half - centre) / reach) ** 2))
    fragment *= np.exp(-((x / (_FRAGMENT_SIDE * body.depth)) ** 2))
    # grows to the back wall, is whole as far as the wall came, and dies away in the canal
    further = np.maximum(-y - half_depth - fracture.bulge, 0.0)
    behind = np.where(y > -half_depth, -y / half_depth, 1 - further / _CANAL)
    return np.stack(
        [
            x - fracture.swell * aside * within,
            y - fracture.swell * ahead * within + fracture.bulge * fragment * smooth_step(behind),
            z,
        ],
        axis=1,
    )


def _tent(at: FloatArray, top: float, fall: float) -> FloatArray:
    """0 at 0, 1 at `top`, 0 again `fall` further on."""
    out: FloatArray = np.where(at < top, at / top, np.clip(1 - (at - top) / fall, 0, 1))
    return out


def smooth_step(share: FloatArray) -> FloatArray:
    """From 0 to 1 without corners; clipped beyond."""
    clipped = np.clip(share, 0, 1)
    out: FloatArray = clipped * clipped * (3 - 2 * clipped)
    return out
