"""Second step of a reading: the six points of each vertebra, from the film at fine resolution."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from endplate.geometry.landmarks import FloatArray
from endplate.infer.session import Network
from endplate.models.calibration import PointErrors
from endplate.models.frames import S1_DROP, across, body_frame, vertebra_window
from endplate.models.heatmaps import MARKS, STRIDE, decode_heatmaps
from endplate.models.resample import ImagePyramid, apply_affine, invert_affine, normalise

__all__ = ["Refined", "View", "along_column", "refine"]


@dataclass(frozen=True, slots=True)
class View:
    """A slightly different crop of the same vertebra, for averaging.

    `turn` in degrees, `scale` a factor on the size of the crop.
    """

    turn: float = 0.0
    scale: float = 1.0


#: Crops whose points are averaged.
VIEWS: Final = (View(), View(5.0, 1.07), View(-5.0, 1.07), View(0.0, 0.94))
#: Scale of the first crop where the points given are rough.
_WIDE: Final = 1.25
#: Probability above which a body is said to bear cement or metal.
_BORNE: Final = 0.5
_LEAST_DEPTH: Final = 1e-3
"""Pixels; no body is so small, but errors are given in depths."""


@dataclass(frozen=True, eq=False)
class Refined:
    """Refined points of one vertebra.

    Parameters
    ----------
    points : (6, 2) array
        x, y in pixels of the film.
    covariance : (12, 12) array
        In pixels squared.
    spread : (6, 2) array
        Raw variance of heat maps and views along and across the endplate, in depths squared:
        what the covariance is calibrated from.
    mass : (6,) array
        Share of each heat map near its maximum.
    depth : float
        Body depth in pixels.
    axes : (2, 2) array
        Columns: unit vectors of the upright frame (backward, downward) in the film.
    marks : (2,) array
        Probability of each of `MARKS` in this body; NaN from a network that does not tell.
    """

    points: FloatArray
    covariance: FloatArray
    spread: FloatArray
    mass: FloatArray
    depth: float
    axes: FloatArray
    marks: FloatArray

    def bears(self, mark: str) -> bool:
        """Whether the body bears one of `MARKS`; not if the network does not tell."""
        return bool(self.marks[MARKS.index(mark)] > _BORNE)


def along_column(centres: FloatArray, downward: FloatArray) -> list[FloatArray]:
    """Direction of the column at each body, head to foot.

    Parameters
    ----------
    centres : (N, 2) array
        Of the bodies, head to foot.
    downward : (2,) array
        Direction where there is but one.
    """
    n = len(centres)
    if n < 2:
        return [downward] * n
    return [centres[min(i + 1, n - 1)] - centres[max(i - 1, 0)] for i in range(n)]


def refine(
    pyramid: ImagePyramid | Sequence[ImagePyramid],
    bodies: Sequence[FloatArray],
    network: Network,
    errors: PointErrors,
    downward: Sequence[FloatArray],
    *,
    views: Sequence[View] = VIEWS,
    twice: bool = True,
    prior: float | None = None,
) -> list[Refined]:
    """Refine the points of all vertebrae of a film.

    Parameters
    ----------
    pyramid : ImagePyramid or sequence of ImagePyramid
        The film; or several pictures of the same place, over which points are averaged.
    bodies : sequence of (6, 2) array
        Coarse points; inferior points NaN on the sacrum.
    downward : sequence of (2,) array
        Direction of the column at each body, head to foot.
    views : sequence of View
        Crops whose points are averaged.
    twice : bool
        Whether all crops but the first are cut about what the first showed; with a prior, the
        first is itself cut about what a wider one showed.
    prior : float or None
        How far off the given points may be expected to be, in depths: a standard deviation. The
        network reads films that face either way, and may take the back of a body for its front;
        where the facing is known, this keeps it from doing so. None: the crop alone tells.
    """
    if not bodies:
        return []
    pictures = [pyramid] if isinstance(pyramid, ImagePyramid) else pyramid

    def look(about: Sequence[FloatArray], view: View) -> list[_Seen]:
        return [_pass(p, about, network, downward, view, prior) for p in pictures]

    start, results, others = list(bodies), [], list(views)
    if twice and prior is not None:
        # what may be half a body off is looked for in a wider crop first
        start = _mean_points(look(start, View(scale=_WIDE)))
    if twice:
        results, others = look(start, views[0]), others[1:]
        start = _mean_points(results)
    results += [seen for v in others for seen in look(start, v)]
    out = []
    for i, down in enumerate(downward):
        points = np.stack([r.points[i] for r in results])
        heat = np.stack([r.heats[i] for r in results])
        mass = np.stack([r.masses[i] for r in results]).mean(axis=0)
        marks = np.stack([r.marks[i] for r in results]).mean(axis=0)
        out.append(_combine(points, heat, mass, marks, down, errors))
    return out


@dataclass(frozen=True, eq=False)
class _Seen:
    """What one pass saw of each body.

    Points (6, 2) and covariances of their heat maps (6, 2, 2) in film pixels, masses (6,), and
    probabilities of the marks (2,).
    """

    points: list[FloatArray]
    heats: list[FloatArray]
    masses: list[FloatArray]
    marks: list[FloatArray]


def _mean_points(passes: Sequence[_Seen]) -> list[FloatArray]:
    """Points of each body, averaged over passes that saw all bodies."""
    return [np.mean(points, axis=0) for points in zip(*(p.points for p in passes), strict=True)]


def _pass(
    pyramid: ImagePyramid,
    bodies: Sequence[FloatArray],
    network: Network,
    downward: Sequence[FloatArray],
    view: View,
    prior: float | None,
) -> _Seen:
    crop, extent = network.metadata.crop, network.metadata.extent
    windows = [_window(p, d, crop, extent, view) for p, d in zip(bodies, downward, strict=True)]
    images = np.stack([normalise(pyramid.warp(w, (crop, crop))) for w in windows])[:, None]
    outputs = network.run(images)
    heats_of = outputs[0]
    if prior is not None:
        sd = prior * crop / (extent * view.scale)
        heats_of = heats_of + np.stack(
            [
                _near(apply_affine(invert_affine(w), p), sd, heats_of.shape[2:])
                for w, p in zip(windows, bodies, strict=True)
            ]
        )
    places, spreads, masses = decode_heatmaps(heats_of)
    # networks of the first release have no second output
    logits = outputs[1] if len(outputs) > 1 else np.full((len(images), len(MARKS)), np.nan)
    marks = 1 / (1 + np.exp(-np.clip(logits, -30, 30).astype(np.float64)))
    points, heats = [], []
    for body, window, place, spread in zip(bodies, windows, places, spreads, strict=True):
        new = apply_affine(window, place)
        new[np.isnan(body).any(axis=1) & _is_sacrum(body)] = np.nan
        points.append(new)
        linear = window[:, :2]
        heats.append(linear @ spread @ linear.T)
    return _Seen(points, heats, list(masses), list(marks))


def _near(expected: FloatArray, sd: float, size: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """(6, h, w) log density of each point about where it is expected, 0 where that is unknown.

    `expected` (6, 2) and `sd` are in pixels of the crop.
    """
    y, x = (np.mgrid[: size[0], : size[1]] * STRIDE + (STRIDE - 1) / 2).astype(np.float64)
    far = (x - expected[:, 0, None, None]) ** 2 + (y - expected[:, 1, None, None]) ** 2
    out: npt.NDArray[np.float32] = np.nan_to_num(-0.5 * far / sd**2).astype(np.float32)
    return out


def _is_sacrum(body: FloatArray) -> bool:
    return bool(np.isnan(body[[3, 5]]).all())


def _window(
    points: FloatArray, down: FloatArray, crop: int, extent: float, view: View
) -> FloatArray:
    centre, anterior, depth = body_frame(points)
    if _is_sacrum(points):
        centre = centre + S1_DROP * depth * across(anterior, down)
    angle = math.radians(view.turn)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return vertebra_window(
        centre, turn @ anterior, depth * view.scale, downward=down, crop=crop, extent=extent
    )


def _combine(
    points: FloatArray,
    heat: FloatArray,
    mass: FloatArray,
    marks: FloatArray,
    down: FloatArray,
    errors: PointErrors,
) -> Refined:
    """Average the views; points (V, 6, 2), heat (V, 6, 2, 2)."""
    mean = points.mean(axis=0)
    _, anterior, depth = body_frame(mean)
    # nothing to be seen in a crop may draw all points to one place
    depth = max(depth, _LEAST_DEPTH)
    axes = np.column_stack([-anterior, across(anterior, down)])
    scatter = points - mean
    between = np.einsum("vki,vkj->kij", scatter, scatter) / max(len(points) - 1, 1)
    total = heat.mean(axis=0) + between
    local = np.einsum("ia,kij,jb->kab", axes, total, axes) / depth**2
    spread = np.stack([local[:, 0, 0], local[:, 1, 1]], axis=1)
    upright = errors.covariance(np.nan_to_num(spread, nan=0.0)) * depth**2
    turn = np.kron(np.eye(6), axes)
    covariance = turn @ upright @ turn.T
    missing = np.repeat(np.isnan(mean).any(axis=1), 2)
    covariance[missing] = np.nan
    covariance[:, missing] = np.nan
    return Refined(mean, covariance, spread, mass, depth, axes, marks)
