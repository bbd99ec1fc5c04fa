"""What the pixels say of a film: exposure, noise, sharpness, grey levels, compression.

All is measured on the bodies that were found, and in units of their depth and contrast, so that
neither the resolution nor the display window of a film counts.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from endplate.geometry.landmarks import FloatArray, Vertebra
from endplate.models.frames import body_frame
from endplate.models.resample import (
    FloatImage,
    GreyArray,
    ImagePyramid,
    apply_affine,
    invert_affine,
)

__all__ = ["FilmLook", "look_at"]

_MOST: Final = 6
"""Bodies that are looked at."""
_SIDE: Final = 96
_EXTENT: Final = 1.4
"""Side of the window of a body, in pixels and in depths."""
_CELLS: Final = 24
_BLANK: Final = 12.0
"""Spread of the means of cells, in standard errors of a mean, below which an image is blank."""
_AT_THE_END: Final = 0.006
"""Share of the grey scale at either end that counts as the end."""
_FILLED: Final = 0.93
"""Share of a rectangle that a picture must fill for the rectangle to be its frame."""
_ON: Final = (-0.02, 0.0, 0.02)
_ASIDE: Final = (-0.1, -0.08, 0.12, 0.14)
"""Distances from an endplate, into the body, of the endplate and of its two sides, in depths."""
_LAPLACE: Final = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)


@dataclass(frozen=True, slots=True)
class FilmLook:
    """How good the pixels are where the bodies are; for the fields see `GateLimits`.

    `turned` is the angle in degrees by which a picture was turned in an even frame. `rim` is how
    bright endplates are next to what is on either side, over the contrast of the body: cortex is
    bright on films, dark on MR slices, and between both on drawn blocks. All but `blank` and
    `turned` are NaN where there are no bodies to look at.
    """

    blank: bool
    turned: float
    burnt: float
    white: float
    noise: float
    sharpness: float
    levels: float
    blocks: float
    rim: float


def _is_blank(pixels: GreyArray) -> bool:
    """Whether an image shows nothing, or nothing but fine noise.

    The means of cells differ no more than noise of independent pixels lets them.
    """
    h, w = pixels.shape
    rows, columns = min(_CELLS, h), min(_CELLS, w)
    grey = pixels[: h - h % rows, : w - w % columns].astype(np.float32)
    cells = grey.reshape(rows, h // rows, columns, w // columns)
    spread = float(cells.mean(axis=(1, 3)).std())
    low, high = float(grey.min()), float(grey.max())
    # no cell varies more than half the range: most films are told by that, without a look at it
    most = 0.5 * (high - low) / np.sqrt(grey.size / (rows * columns))
    if spread >= max(1e-3 * max(abs(low), abs(high), 1.0), _BLANK * float(most)):
        return False
    within = float(np.median(cells.std(axis=(1, 3))))
    if spread < 1e-3 * max(float(np.abs(grey).max()), 1.0) and within == 0.0:
        return True
    error = within / np.sqrt(grey.size / (rows * columns))
    return spread < _BLANK * float(error) and not _structured(cells)


def _structured(cells: FloatImage) -> bool:
    """Whether neighbouring cells are alike: noise has no such likeness."""
    means = cells.mean(axis=(1, 3))
    means = means - means.mean()
    power = float((means**2).mean())
    if power <= 0 or min(means.shape) < 3:
        return False
    down = float((means[1:] * means[:-1]).mean()) / power
    across = float((means[:, 1:] * means[:, :-1]).mean()) / power
    return 0.5 * (down + across) > 0.4


def look_at(
    pixels: GreyArray, vertebrae: Sequence[Vertebra], *, inverted: bool = False
) -> FilmLook:
    """Measure the film on those of its bodies that have four corners.

    Parameters
    ----------
    inverted : bool
        Whether bones are dark.
    """
    blank, turned = _is_blank(pixels), _frame_angle(pixels)
    bodies = [v.points for v in vertebrae if not np.isnan(v.points[[0, 2, 3, 5]]).any()]
    if not bodies:
        return FilmLook(blank, turned, *([math.nan] * 7))
    places = np.unique(np.linspace(0, len(bodies) - 1, _MOST).round().astype(int))
    chosen = [bodies[i] for i in places]
    pyramid = ImagePyramid(pixels)
    windows = [_window(pyramid, p) for p in chosen]
    inside = np.concatenate([w[_mask(p)] for w, p in zip(windows, chosen, strict=True)])
    low, high = float(pixels.min()), float(pixels.max())
    margin = _AT_THE_END * (high - low)
    rims = [_rim(w, p) for w, p in zip(windows, chosen, strict=True)]
    return FilmLook(
        blank=blank,
        turned=turned,
        burnt=float((inside <= low + margin).mean()) if inside.size else 0.0,
        white=float((inside >= high - margin).mean()) if inside.size else 0.0,
        noise=float(np.median([_noise(w) for w in windows])),
        sharpness=float(np.median([_sharpness(w) for w in windows])),
        levels=_levels(np.concatenate([_inside(pixels, p) for p in chosen])),
        blocks=_blocks(pixels),
        rim=float(np.mean(rims)) * (-1 if inverted else 1),
    )


def _frame_angle(pixels: GreyArray) -> float:
    """Degrees by which an upright picture was turned within a frame of one grey value.

    The frame is what is as grey as the corners; the picture in it must be a filled rectangle.
    """
    scale = min(1.0, 400 / max(pixels.shape))
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    small = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.float32)
    corners = small[[0, 0, -1, -1], [0, -1, 0, -1]]
    span = float(np.ptp(small))
    if span <= 0 or float(np.ptp(corners)) > 0.02 * span:
        return 0.0
    picture = np.abs(small - corners.mean()) > 0.01 * span
    if not 0.3 < picture.mean() < 0.97:
        return 0.0
    places = np.argwhere(picture)[:, ::-1].astype(np.float32)
    _, sides, angle = cv2.minAreaRect(places)
    if picture.sum() < _FILLED * (sides[0] + 1) * (sides[1] + 1):
        return 0.0
    return float((angle + 45) % 90 - 45)


def _to_film(points: FloatArray) -> FloatArray:
    """(2, 3) map from the window of a body to the film: the window is as deep for every film."""
    centre, _, depth = body_frame(points)
    step = _EXTENT * depth / _SIDE
    origin = centre - step * (_SIDE - 1) / 2
    return np.array([[step, 0.0, origin[0]], [0.0, step, origin[1]]])


def _window(pyramid: ImagePyramid, points: FloatArray) -> FloatImage:
    """The body and the discs beside it."""
    return pyramid.warp(_to_film(points), (_SIDE, _SIDE))


def _mask(points: FloatArray) -> npt.NDArray[np.bool_]:
    """The body in its window."""
    corners = apply_affine(invert_affine(_to_film(points)), points[[0, 2, 3, 5]])
    mask = np.zeros((_SIDE, _SIDE), np.uint8)
    cv2.fillPoly(mask, [np.round(corners).astype(np.int32)], 1)
    return mask > 0


def _rim(window: FloatImage, points: FloatArray) -> float:
    """How much brighter endplates are than the mean of both sides, over the contrast."""
    corners = apply_affine(invert_affine(_to_film(points)), points[[0, 2, 3, 5]])
    smooth = np.asarray(cv2.GaussianBlur(window, (0, 0), 1.0), np.float32)
    contrast = max(float(smooth.std()), 1e-6)
    along = np.linspace(0.15, 0.85, 15)[:, None]
    depth = _SIDE / _EXTENT
    out = []
    for a, b, other in ((corners[0], corners[1], corners[3]), (corners[3], corners[2], corners[0])):
        line = a + along * (b - a)
        inward = (other - a) / max(float(np.hypot(*(other - a))), 1e-6)
        grey = [
            cv2.remap(smooth, *_maps(line + inward * depth * d), cv2.INTER_LINEAR)
            for d in (*_ON, *_ASIDE)
        ]
        on, aside = np.array(grey[: len(_ON)]), np.array(grey[len(_ON) :])
        out.append(float(on.mean() - aside.mean()) / contrast)
    return float(np.mean(out))


def _maps(places: FloatArray) -> tuple[FloatImage, FloatImage]:
    x, y = places.astype(np.float32).T
    return np.ascontiguousarray(x), np.ascontiguousarray(y)


def _inside(pixels: GreyArray, points: FloatArray) -> FloatArray:
    """Grey values of the film within a body."""
    corners = points[[0, 2, 3, 5]]
    low = np.clip(np.floor(corners.min(axis=0)).astype(int), 0, None)
    high = np.ceil(corners.max(axis=0)).astype(int) + 1
    part = pixels[low[1] : high[1], low[0] : high[0]]
    mask = np.zeros(part.shape, np.uint8)
    if mask.size:
        cv2.fillPoly(mask, [np.round(corners - low).astype(np.int32)], 1)
    out: FloatArray = part[mask > 0].astype(np.float64)
    return out


def _noise(window: FloatImage) -> float:
    """Deviation of the noise over that of what is left when it is smoothed away.

    Noise as by J. Immerkaer (1996), with the median in place of the mean: edges do not count.
    """
    response = np.abs(cv2.filter2D(window, cv2.CV_32F, _LAPLACE))[1:-1, 1:-1]
    noise = float(np.median(response)) / 0.6745 / 6.0
    smooth = np.asarray(cv2.GaussianBlur(window, (0, 0), 3.0))
    return noise / max(float(smooth.std()), 1e-6)


def _sharpness(window: FloatImage) -> float:
    """Contrast of details of 2 % of the depth over that of details of 8 %, at the edges."""
    soft = [np.asarray(cv2.GaussianBlur(window, (0, 0), s)) for s in (1.2, 2.4, 4.0, 8.0)]
    fine, coarse = np.abs(soft[0] - soft[1]), np.abs(soft[2] - soft[3])
    return float(np.percentile(fine, 95)) / max(float(np.percentile(coarse, 95)), 1e-6)


def _levels(values: FloatArray) -> float:
    """Different grey values between the 5th and the 95th percentile."""
    if not values.size:
        return float("inf")
    low, high = np.percentile(values, (5, 95))
    return float(len(np.unique(values[(values >= low) & (values <= high)])))


def _blocks(pixels: GreyArray) -> float:
    """Steps at the edges of 8 x 8 blocks over other steps, the greater of both directions."""
    if min(pixels.shape) <= 64:
        return 1.0
    out = []
    image = pixels if pixels.dtype in (np.uint8, np.uint16) else pixels.astype(np.float32)
    # absolute differences of whole numbers stay whole: a third of the time of floats
    beside = (image[:, 1:], image[:, :-1]), (image[1:], image[:-1])
    for axis, (one, other) in enumerate(beside):
        steps = cv2.absdiff(one, other)
        mean = np.asarray(cv2.reduce(steps, axis, cv2.REDUCE_AVG, dtype=cv2.CV_64F)).ravel()
        by_phase = mean[: len(mean) // 8 * 8].reshape(-1, 8).mean(axis=0)
        at = int(by_phase.argmax())
        others = np.delete(by_phase, at)
        out.append(float(by_phase[at] / max(float(others.mean()), 1e-6)))
    return min(out)
