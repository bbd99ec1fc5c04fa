"""Random changes of a training window: one call moves the image and its points together."""

from dataclasses import dataclass

import cv2
import numpy as np
from monai.transforms import (
    Compose,
    RandAdjustContrast,
    RandBiasField,
    RandGaussianSharpen,
    RandGaussianSmooth,
    RandHistogramShift,
)

from endplate.geometry.landmarks import FloatArray
from endplate.models.resample import FloatImage

__all__ = ["AugmentConfig", "GreyAugmenter", "random_affine"]


@dataclass
class AugmentConfig:
    """How far windows are changed.

    Angles in degrees, probabilities per window; `scale` and `aspect` are deviations of the
    logarithm of a factor.
    """

    rotation: float = 6.0
    scale: float = 0.08
    aspect: float = 0.05
    shear: float = 0.03
    flip: float = 0.5
    invert: float = 0.15
    grey: float = 0.9
    overlay: float = 0.35
    noise: float = 0.5
    blur: float = 0.3
    sharpen: float = 0.35


def random_affine(config: AugmentConfig, rng: np.random.Generator) -> FloatArray:
    """(2, 2) matrix that turns, scales, stretches and shears, without mirroring."""
    angle = np.deg2rad(np.clip(rng.normal(0, 1), -2.5, 2.5) * config.rotation)
    scale = np.exp(np.clip(rng.normal(0, 1), -2.5, 2.5) * config.scale)
    aspect = np.exp(np.clip(rng.normal(0, 1), -2.5, 2.5) * config.aspect)
    shear = np.clip(rng.normal(0, 1), -2.5, 2.5) * config.shear
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    stretch = np.array([[scale * aspect, shear], [0.0, scale / aspect]])
    out: FloatArray = turn @ stretch
    return out


class GreyAugmenter:
    """Random changes of grey values that leave the points where they are.

    MONAI supplies contrast, histogram, bias field, blur and sharpening; grids, bars, screws,
    bright patches and collimation are drawn here.

    Parameters
    ----------
    config : AugmentConfig
    """

    def __init__(self, config: AugmentConfig) -> None:
        self.config = config
        self.monai = Compose(
            [
                RandHistogramShift(num_control_points=(6, 10), prob=0.12),
                RandAdjustContrast(prob=0.6, gamma=(0.5, 2.0)),
                RandBiasField(degree=2, coeff_range=(0.0, 0.25), prob=0.25),
                RandGaussianSharpen(prob=config.sharpen, alpha=(2.0, 14.0)),
                RandGaussianSmooth(sigma_x=(0.4, 1.5), sigma_y=(0.4, 1.5), prob=config.blur),
            ]
        )

    def __call__(
        self, window: FloatImage, rng: np.random.Generator, *, overlay: bool | None = None
    ) -> FloatImage:
        """Change a (rows, columns) window; any grey scale in, about 0 to 1 out.

        `overlay` says whether to draw something over it; None leaves that to chance.
        """
        if overlay is None:
            overlay = bool(rng.random() < self.config.overlay)
        low, high = float(window.min()), float(window.max())
        out = (window - low) / max(high - low, 1e-6)
        if overlay:
            out = _draw_overlay(out, rng)
        if rng.random() < self.config.grey:
            self.monai.set_random_state(seed=int(rng.integers(2**31 - 1)))
            out = np.asarray(self.monai(out[None])[0], dtype=np.float32)
        if rng.random() < self.config.noise:
            out = _noise(out, rng)
        return np.ascontiguousarray(out, dtype=np.float32)


def _noise(image: FloatImage, rng: np.random.Generator) -> FloatImage:
    sigma = float(rng.uniform(0.004, 0.045)) * float(image.std() * 4 + 1e-3)
    grain = rng.standard_normal(image.shape, dtype=np.float32)
    if rng.random() < 0.5:
        soft = cv2.GaussianBlur(grain, (0, 0), float(rng.uniform(0.5, 1.2)))
        grain = np.asarray(soft, dtype=np.float32) * 2
    return image + sigma * grain


def _draw_overlay(image: FloatImage, rng: np.random.Generator) -> FloatImage:
    """Draw one or two things that lie over a spine on real films."""
    out = image.copy()
    kinds = (_grid, _bars, _screws, _patch, _collimate, _band)
    for _ in range(int(rng.integers(1, 3))):
        kinds[int(rng.integers(len(kinds)))](out, rng)
    return out


def _grid(image: FloatImage, rng: np.random.Generator) -> None:
    """Radiopaque grid or ruler lines, as on stitched films."""
    h, w = image.shape
    level, width = float(rng.uniform(0.7, 1.1)), int(rng.integers(1, 3))
    if rng.random() < 0.7:
        step = int(rng.integers(h // 8 + 2, h // 2 + 3))
        for y in range(int(rng.integers(step)), h, step):
            cv2.line(image, (0, y), (w, y + int(rng.integers(-2, 3))), level, width, cv2.LINE_AA)
    else:
        x = int(rng.integers(w))
        cv2.line(image, (x, 0), (x + int(rng.integers(-6, 7)), h), level, width, cv2.LINE_AA)


def _blend(image: FloatImage, mask: FloatImage, value: float, strength: float) -> None:
    image += (value - image) * mask * strength


def _bars(image: FloatImage, rng: np.random.Generator) -> None:
    """Rods."""
    h, w = image.shape
    mask = np.zeros_like(image)
    x = float(rng.uniform(0.1, 0.9)) * w
    for _ in range(int(rng.integers(1, 3))):
        x += float(rng.uniform(0.02, 0.15)) * w
        xs = x + np.cumsum(rng.normal(0, 0.02 * w, 6))
        line = np.stack([xs, np.linspace(-0.1 * h, 1.1 * h, 6)], axis=1).round().astype(np.int32)
        cv2.polylines(mask, [line], False, 1.0, max(1, int(w * rng.uniform(0.01, 0.05))))
    _blend(image, mask, float(rng.uniform(0.9, 1.2)), float(rng.uniform(0.5, 1.0)))


def _screws(image: FloatImage, rng: np.random.Generator) -> None:
    """Pedicle screws: short thick bars with a head."""
    h, w = image.shape
    mask = np.zeros_like(image)
    for _ in range(int(rng.integers(1, 5))):
        start = rng.uniform(0, 1, 2) * (w, h)
        angle, length = rng.normal(0, 0.4), rng.uniform(0.1, 0.4) * w
        end = start + length * np.array([np.cos(angle), np.sin(angle)])
        thick = max(1, int(w * rng.uniform(0.015, 0.05)))
        p, q = (tuple(int(v) for v in point.round()) for point in (start, end))
        cv2.line(mask, p, q, 1.0, thick, cv2.LINE_AA)
        cv2.circle(mask, p, thick, 1.0, -1, cv2.LINE_AA)
    _blend(image, mask, float(rng.uniform(0.9, 1.2)), float(rng.uniform(0.4, 1.0)))


def _patch(image: FloatImage, rng: np.random.Generator) -> None:
    """Cement or bowel gas: a soft irregular patch, bright or dark."""
    h, w = image.shape
    mask = np.zeros_like(image)
    centre = rng.uniform(0, 1, 2) * (w, h)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 9))
    radius = rng.uniform(0.03, 0.18) * w * rng.uniform(0.6, 1.4, 9)
    ring = centre + radius[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    cv2.fillPoly(mask, [ring.round().astype(np.int32)], 1.0, cv2.LINE_AA)
    soft = cv2.GaussianBlur(mask, (0, 0), float(rng.uniform(0.005, 0.03)) * w + 0.5)
    value = float(rng.uniform(0.85, 1.1)) if rng.random() < 0.5 else float(rng.uniform(-0.1, 0.3))
    _blend(image, np.asarray(soft, dtype=np.float32), value, float(rng.uniform(0.2, 0.8)))


def _collimate(image: FloatImage, rng: np.random.Generator) -> None:
    """A straight collimator edge, black or white."""
    h, w = image.shape
    angle = float(rng.choice([0, 90, 180, 270])) + float(rng.normal(0, 5))
    normal = np.array([np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))])
    y, x = np.mgrid[:h, :w].astype(np.float32)
    reach = abs(normal[0]) * w / 2 + abs(normal[1]) * h / 2
    side = (x - w / 2) * normal[0] + (y - h / 2) * normal[1] > reach * float(rng.uniform(0.6, 0.98))
    image[side] = float(rng.choice([0.0, 1.0])) + float(rng.uniform(-0.05, 0.05))


def _band(image: FloatImage, rng: np.random.Generator) -> None:
    """A brightness step across the film, as at a stitch or at the diaphragm."""
    h, w = image.shape
    y = float(rng.uniform(0, h))
    slope = float(rng.normal(0, 0.05))
    rows = y + slope * (np.arange(w, dtype=np.float32) - w / 2)
    soft = float(rng.uniform(0.3, 0.06 * h))
    step = 0.5 + 0.5 * np.tanh((np.arange(h, dtype=np.float32)[:, None] - rows) / soft)
    image += float(rng.uniform(-0.3, 0.3)) * step.astype(np.float32)
