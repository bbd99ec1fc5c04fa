"""The spine of one image as arrays: lines, heights, facing and neighbours of all levels at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from endplate.errors import GeometryError
from endplate.geometry.calibration import Calibration
from endplate.geometry.dual import BoolArray, Dual, direction, hypot, where, wrapped
from endplate.geometry.landmarks import FloatArray, Vertebra
from endplate.geometry.levels import check_level, level_index
from endplate.geometry.neighbours import Role, find_roles
from endplate.geometry.settings import MeasureSettings

__all__ = ["Stack", "build_stack", "check_order"]

_SA, _SM, _SP, _IP, _IM, _IA = range(6)


@dataclass(frozen=True)
class Stack:
    """N vertebrae, head to foot, and a last row of NaN that stands for a missing neighbour.

    Lengths are in mm where the image is calibrated, else in columns of the image; either way
    anisotropic pixels have been undone. Shapes are those of the values; all carry gradients with
    respect to the 12 N pixel coordinates (or none).

    Parameters
    ----------
    levels : tuple of str
        N names.
    points : Dual (N + 1, 6, 2)
        In the order of `POINTS`.
    lines : dict of Dual (N + 1,)
        Direction in radians of ``sup`` and ``inf``, posterior to anterior, and of ``post``, the
        posterior wall, superior to inferior.
    heights : dict of Dual (N + 1,)
        ``ant``, ``mid``, ``post``.
    depths : dict of Dual (N + 1,)
        ``sup``, ``inf``.
    area : Dual (N + 1,)
        Area between the four corners.
    middle_replaced : (N + 1,) bool array
        Whether a middle point was missing and the middle of its endplate line was taken.
    sign : float
        +1 or -1, facing sign of the film; NaN if it cannot be told.
    turned : (N + 1,) bool array
        Whether the corners of a body contradict `sign`: front and back, or top and bottom, are
        swapped.
    roles : dict of Role
        See `find_roles`.
    """

    levels: tuple[str, ...]
    points: Dual
    lines: dict[str, Dual]
    heights: dict[str, Dual]
    depths: dict[str, Dual]
    area: Dual
    middle_replaced: BoolArray
    sign: float
    turned: BoolArray
    roles: dict[str, Role]

    @property
    def n(self) -> int:
        """Number of vertebrae."""
        return len(self.levels)

    def kyphosis_deg(self, upper: Dual, lower: Dual) -> Dual:
        """Angle K of two directions in degrees, kyphosis positive."""
        return wrapped(upper - lower) * (self.sign * 180.0 / np.pi)


def check_order(vertebrae: Sequence[Vertebra]) -> None:
    """Raise `GeometryError` unless the levels run head to foot, none twice."""
    for upper, lower in pairwise(vertebrae):
        if level_index(upper.level) >= level_index(lower.level):
            raise GeometryError(
                f"levels {upper.level} then {lower.level}: expected vertebrae head to foot,"
                " each level once; sort or rename them"
            )


def build_stack(
    vertebrae: Sequence[Vertebra],
    calibration: Calibration,
    index_level: str | None,
    settings: MeasureSettings,
    *,
    with_gradient: bool,
) -> Stack:
    """Lines, heights, facing and neighbours of `vertebrae`.

    Raises
    ------
    GeometryError
        If the levels are out of order or come twice.
    UnknownName
        If `index_level` is no level.
    """
    check_order(vertebrae)
    if index_level is not None:
        check_level(index_level)
    points = _scaled_points(vertebrae, calibration, with_gradient)
    corners = {k: points[:, i] for k, i in (("SA", _SA), ("SP", _SP), ("IA", _IA), ("IP", _IP))}
    sup = corners["SA"] - corners["SP"]
    inf = corners["IA"] - corners["IP"]
    wall = corners["IP"] - corners["SP"]
    upper_middle, upper_replaced = _middle(points[:, _SM], corners["SA"], corners["SP"])
    lower_middle, lower_replaced = _middle(points[:, _IM], corners["IA"], corners["IP"])
    turns = _turns(points.value)
    sign = _facing_sign(points.value, turns)
    return Stack(
        levels=tuple(v.level for v in vertebrae),
        points=points,
        lines={"sup": direction(sup), "inf": direction(inf), "post": direction(wall)},
        heights={
            "ant": hypot(corners["IA"] - corners["SA"]),
            "mid": hypot(lower_middle - upper_middle),
            "post": hypot(wall),
        },
        depths={"sup": hypot(sup), "inf": hypot(inf)},
        area=_area([corners[k] for k in ("SA", "SP", "IP", "IA")]),
        middle_replaced=upper_replaced | lower_replaced,
        sign=sign,
        turned=turns * sign < 0,
        roles=find_roles(vertebrae, index_level, settings),
    )


def _scaled_points(
    vertebrae: Sequence[Vertebra], calibration: Calibration, with_gradient: bool
) -> Dual:
    n = len(vertebrae)
    scale = np.asarray(calibration.scale_xy)
    value = np.full((n + 1, 6, 2), np.nan)
    if n:
        value[:n] = np.stack([v.points for v in vertebrae]) * scale
    variables = 12 * n if with_gradient else 0
    grad = np.zeros((12 * (n + 1), variables))
    if with_gradient:
        rows = np.arange(12 * n)
        grad[rows, rows] = np.tile(scale, 6 * n)
    return Dual(value, grad.reshape(n + 1, 6, 2, variables))


def _middle(middle: Dual, anterior: Dual, posterior: Dual) -> tuple[Dual, BoolArray]:
    """Middle point of an endplate, or the middle of its line, and whether that was taken."""
    missing: BoolArray = np.asarray(np.isnan(middle.value).any(axis=-1))
    replaced = where(missing[:, None], (anterior + posterior) * 0.5, middle)
    return replaced, missing


def _area(walk: list[Dual]) -> Dual:
    """Shoelace area of the corners given in a walk around the body, as a positive number."""
    total = _cross(walk[-1], walk[0])
    for a, b in pairwise(walk):
        total = total + _cross(a, b)
    return total * (0.5 * np.sign(total.value))


def _cross(a: Dual, b: Dual) -> Dual:
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def _turns(points: FloatArray) -> FloatArray:
    """(N + 1,) cross product a x d of each body; NaN where a corner is missing."""
    sup = points[:, _SA] - points[:, _SP]
    inf = points[:, _IA] - points[:, _IP]
    a = 0.5 * (sup + inf)
    d = 0.5 * (points[:, _IA] - points[:, _SA] + points[:, _IP] - points[:, _SP])
    out: FloatArray = a[:, 0] * d[:, 1] - a[:, 1] * d[:, 0]
    return out


def _facing_sign(points: FloatArray, turns: FloatArray) -> float:
    """Sign of the summed cross products, from the run of the bodies if no body is complete."""
    total = float(np.nansum(turns)) or _turn_of_column(points[:-1])
    return float(np.sign(total)) if total else float("nan")


def _turn_of_column(points: FloatArray) -> float:
    """Cross product of the endplates seen with the way from the first body to the last."""
    ends = np.stack([points[:, _SA] - points[:, _SP], points[:, _IA] - points[:, _IP]], axis=1)
    seen: BoolArray = ~np.asarray(np.isnan(points).any(axis=2))
    rows = np.flatnonzero(seen.any(axis=1))
    if len(rows) < 2:
        return 0.0
    first, last = (points[r][seen[r]].mean(axis=0) for r in (rows[0], rows[-1]))
    way = last - first
    return float(np.nansum(ends[..., 0] * way[1] - ends[..., 1] * way[0]))
