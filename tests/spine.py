"""Made-up spines for the tests of finding, naming, training and reading."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from endplate.datasets.film import AnnotatedFilm
from endplate.geometry.landmarks import FloatArray, Vertebra
from endplate.models.decode import CLASSES
from endplate.models.frames import body_frame
from endplate.models.resample import apply_affine, invert_affine

__all__ = ["body", "column", "dotted_film", "film_of", "painted_film", "painted_maps"]

STRIDE, UNIT = 4, 32.0


def body(
    centre: tuple[float, float],
    depth: float = 60.0,
    height: float = 48.0,
    *,
    tilt: float = 0.0,
    wedge: float = 0.0,
    facing: str = "left",
) -> FloatArray:
    """(6, 2) points of a body; `tilt` and `wedge` in degrees, the film's x to the right."""
    half = np.deg2rad(wedge) / 2
    rows = []
    for u, v in ((-0.5, -0.5), (0, -0.5), (0.5, -0.5), (0.5, 0.5), (0, 0.5), (-0.5, 0.5)):
        # the front (u < 0) of a wedged body is lower
        rows.append([u * depth, v * (height + 2 * np.tan(half) * u * depth)])
    points = np.array(rows)
    if facing == "right":
        points[:, 0] *= -1
    angle = np.deg2rad(tilt)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    out: FloatArray = points @ turn.T + np.asarray(centre)
    return out


def column(
    levels: Sequence[str],
    *,
    top: tuple[float, float] = (150.0, 80.0),
    depth: float = 60.0,
    height: float = 0.8,
    facing: str = "left",
) -> dict[str, FloatArray]:
    """Points by level, head to foot, in a gentle curve; S1 has its superior endplate only.

    `height` is that of the bodies in depths.
    """
    out: dict[str, FloatArray] = {}
    x, y = top
    size = depth
    for i, level in enumerate(levels):
        tilt = 9.0 * np.sin(0.45 * i)
        if level == "S1":
            y -= 0.36 * size
        # the axis of a body points down and, where it is tilted, aside
        points = body((x, y), size, height * size, tilt=tilt, facing=facing)
        if level == "S1":
            points[3:] = np.nan
            points[:3] += np.array([x, y]) - points[[0, 2]].mean(axis=0)
        out[level] = points
        x -= np.sin(np.deg2rad(tilt)) * size * 0.98
        y += np.cos(np.deg2rad(tilt)) * size * 0.98
        size *= 1.015
    return out


def film_of(
    image: npt.NDArray[np.uint8] | npt.NDArray[np.uint16],
    bodies: dict[str, FloatArray],
    *,
    name: str = "film.png",
    subject: str = "somebody",
    facing: str = "left",
    complete: bool = True,
    **attributes: object,
) -> AnnotatedFilm:
    """An annotated film of these bodies."""
    return AnnotatedFilm(
        image,
        tuple(Vertebra(level, points) for level, points in bodies.items()),
        name,
        subject,
        facing=facing,  # type: ignore[arg-type]
        complete=complete,
        attributes=dict(attributes),
    )


def dotted_film(
    bodies: dict[str, FloatArray], shape: tuple[int, int], *, sigma: float = 2.5
) -> npt.NDArray[np.uint16]:
    """A dark film with a soft bright dot at every point."""
    image = np.zeros(shape)
    reach = round(6 * sigma)
    for points in bodies.values():
        for px, py in points[~np.isnan(points).any(axis=1)]:
            top, left = max(round(py) - reach, 0), max(round(px) - reach, 0)
            part = image[top : round(py) + reach + 1, left : round(px) + reach + 1]
            y, x = np.mgrid[top : top + part.shape[0], left : left + part.shape[1]]
            part += np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * sigma**2))
    return np.round(np.clip(image, 0, 1) * 60000).astype(np.uint16)


def painted_film(
    bodies: dict[str, FloatArray], shape: tuple[int, int], *, seed: int = 0
) -> npt.NDArray[np.uint8]:
    """Grey bodies on a darker ground with some noise, easy for a tiny network."""
    import cv2

    rng = np.random.default_rng(seed)
    image = np.full(shape, 60.0, np.float32)
    for points in bodies.values():
        corners = points[[0, 2, 3, 5]]
        if np.isnan(corners).any():
            below = points[:3] + np.array([0.0, 0.5 * abs(points[0, 0] - points[2, 0])])
            corners = np.array([points[0], points[2], below[2], below[0]])
        cv2.fillPoly(image, [corners.round().astype(np.int32)], 190.0)
    image = np.asarray(cv2.GaussianBlur(image, (0, 0), 1.0), dtype=np.float32)
    image += rng.normal(0, 6, shape).astype(np.float32)
    return np.clip(image, 0, 255).astype(np.uint8)


def painted_maps(
    bodies: Sequence[tuple[FloatArray, int, float]],
    to_film: FloatArray,
    size: tuple[int, int],
) -> np.ndarray:
    """Maps as a perfect network would give them: (points on the film, level class, score)."""
    rows, columns = size[0] // STRIDE, size[1] // STRIDE
    y, x = np.mgrid[:rows, :columns]
    cells = np.stack([x, y], axis=-1) * STRIDE + (STRIDE - 1) / 2
    maps = np.zeros((14 + len(CLASSES), rows, columns), np.float32)
    maps[:2] = -9.0
    best = np.full((rows, columns), np.inf)
    for points, level, score in bodies:
        inside = apply_affine(invert_affine(to_film), points)
        centre, _, depth = body_frame(inside)
        distance = np.hypot(*np.moveaxis(cells - centre, -1, 0))
        channel = 1 if np.isnan(points[3:]).any() else 0
        peak = score * np.exp(-(distance**2) / (2 * (0.18 * depth) ** 2))
        logit = np.log(np.clip(peak, 1e-4, 1) / np.clip(1 - peak, 1e-4, 1))
        maps[channel] = np.maximum(maps[channel], logit)
        mine = (distance < best) & (distance < 0.6 * depth)
        best[mine] = distance[mine]
        for k in range(6):
            for axis in (0, 1):
                offset = np.nan_to_num(inside[k, axis] - cells[..., axis]) / UNIT
                maps[2 + 2 * k + axis][mine] = offset[mine]
        maps[14 + level][mine] = 6.0
    return maps
