"""The films of a follow-up cut around the index level, all at the same scale."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from endplate.geometry.calibration import UNCALIBRATED, Calibration
from endplate.geometry.landmarks import FloatArray, Vertebra
from endplate.reports.canvas import Canvas, Picture
from endplate.reports.film_view import film_view
from endplate.reports.marks import draw_angles, draw_bodies, draw_scale_bar
from endplate.study.followup import FollowUp, VisitResult

__all__ = ["film_strips"]

Grey = npt.NDArray[np.generic]

#: Width and height of a strip in depths of a vertebra, and its height in pixels.
_WIDE: Final = 3.4
_TALL: Final = 6.2
_PIXELS: Final = 900
_DARK: Final = 20.0
#: Size of the marks: strips are shown small, five in a row.
_UNIT: Final = 1.1


def film_strips(result: FollowUp, images: Mapping[str, Grey]) -> tuple[Picture, ...]:
    """A picture for each visit: the film around the index level with its points and angles.

    The ruler is the mean superior depth of the intact bodies that all films show, so films of
    different magnification, calibrated or not, come out alike.

    Parameters
    ----------
    images : mapping
        (H, W) grey values by reading id, or by the id of the reading's parent. Where a film is
        missing its points are drawn on dark ground.
    """
    rulers = _rulers(result)
    return tuple(
        _strip(visit, ruler, images, result.index_level)
        for visit, ruler in zip(result.visits, rulers, strict=True)
    )


def _rulers(result: FollowUp) -> list[float]:
    """Depth of a body on each film, in its own square units."""
    depths = [_depths(v) for v in result.visits]
    shown = set.intersection(*(set(d) for d in depths)) if depths else set()
    common = shown - {result.index_level} or shown
    out = []
    for own in depths:
        used = [own[x] for x in common] or list(own.values())
        out.append(float(np.mean(used)) if used else math.nan)
    return out


def _depths(visit: VisitResult) -> dict[str, float]:
    reading = visit.visit.reading
    scale = np.asarray(reading.calibration.scale_xy)
    out = {}
    for v in reading.vertebrae:
        depth = float(np.hypot(*((v.points[0] - v.points[2]) * scale)))
        if math.isfinite(depth) and depth > 0 and v.level != "S1":
            out[v.level] = depth
    return out


def _strip(visit: VisitResult, ruler: float, images: Mapping[str, Grey], index: str) -> Picture:
    reading = visit.visit.reading
    width = round(_PIXELS * _WIDE / _TALL)
    if not math.isfinite(ruler):
        return np.full((_PIXELS, width, 3), _DARK, np.uint8)
    scale = np.asarray(reading.calibration.scale_xy)
    # Output pixels per pixel of the film, across and down.
    zoom = _PIXELS / (_TALL * ruler) * scale
    centre = _centre(reading.vertebrae, index)
    shift = np.array([width / 2, _PIXELS / 2]) - centre * zoom
    image = images.get(reading.id)
    if image is None and reading.parent is not None:
        image = images.get(reading.parent)
    ground = _cut(image, zoom, shift, (width, _PIXELS))
    moved = tuple(
        v for w in reading.vertebrae if _visible(v := _moved(w, zoom, shift), width, _PIXELS)
    )
    calibration = UNCALIBRATED
    if reading.calibration.is_metric:
        mm = float(scale[0] / zoom[0])
        calibration = Calibration(
            (mm, mm), reading.calibration.source, reading.calibration.magnification
        )
    shown = replace(
        reading,
        source=replace(reading.source, rows=_PIXELS, columns=width),
        calibration=calibration,
        vertebrae=moved,
        measurements=visit.values,
    )
    view = film_view(ground, calibration, _PIXELS)
    canvas = Canvas(view.picture, _UNIT)
    draw_angles(canvas, view, shown, index or None)
    draw_bodies(canvas, view, shown, index or None)
    draw_scale_bar(canvas, view, shown)
    return view.picture


def _centre(vertebrae: Sequence[Vertebra], index: str) -> FloatArray:
    chosen = next((v for v in vertebrae if v.level == index), None)
    if chosen is not None:
        return chosen.centre
    out: FloatArray = np.mean([v.centre for v in vertebrae], axis=0)
    return out


def _cut(
    image: Grey | None, zoom: FloatArray, shift: FloatArray, size: tuple[int, int]
) -> npt.NDArray[np.float32]:
    if image is None:
        return np.full((size[1], size[0]), _DARK, np.float32)
    grey = np.asarray(image, dtype=np.float32)
    if float(zoom.min()) < 1.0:
        grey = cv2.GaussianBlur(grey, (0, 0), 0.45 / float(zoom.min())).astype(np.float32)
    matrix = np.array([[zoom[0], 0.0, shift[0]], [0.0, zoom[1], shift[1]]])
    low = float(np.percentile(grey[::8, ::8], 1))
    cut = cv2.warpAffine(
        grey, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=low
    )
    return cut.astype(np.float32, copy=False)


def _moved(vertebra: Vertebra, zoom: FloatArray, shift: FloatArray) -> Vertebra:
    covariance = vertebra.covariance
    if covariance is not None:
        factors = np.tile(zoom, 6)
        covariance = covariance * np.outer(factors, factors)
    return replace(vertebra, points=vertebra.points * zoom + shift, covariance=covariance)


def _visible(vertebra: Vertebra, width: int, height: int) -> bool:
    x, y = vertebra.centre
    return bool(0 <= x < width and 0 <= y < height)
