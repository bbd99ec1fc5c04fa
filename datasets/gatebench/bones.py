"""Roughly drawn radiographs of other parts of the body: hand, leg, knee, hip, skull, chest.

Attenuations are drawn, not anatomy: rounded hollow bones in soft tissue, with the blur, noise and
tone of a film. They stand for limbs where no real film is at hand.
"""

from collections.abc import Callable, Sequence
from typing import Final

import cv2
import numpy as np

from endplate.datasets.film import GreyImage
from endplate.datasets.gatebench.phantoms import FloatImage, stored
from endplate.geometry.landmarks import FloatArray

__all__ = ["OTHER_BONES", "draw_bones"]

_ROWS: Final = 1100
_COLUMNS: Final = 800


def draw_bones(kind: str, seed: int) -> GreyImage:
    """One film of a kind of `OTHER_BONES`; the same for the same seed."""
    rng = np.random.default_rng([seed, *kind.encode()])
    total = np.zeros((_ROWS, _COLUMNS), np.float32)
    OTHER_BONES[kind](total, rng)
    return stored(_expose(total, rng))


def _expose(total: FloatImage, rng: np.random.Generator) -> FloatImage:
    """Attenuation to a film: pose, blur, tone, noise, border."""
    rows, columns = total.shape
    pose = cv2.getRotationMatrix2D(
        (columns / 2, rows / 2), float(rng.normal(0, 8)), float(rng.uniform(0.85, 1.15))
    )
    total = np.asarray(cv2.warpAffine(total, pose, (columns, rows)), np.float32)
    if rng.random() < 0.5:
        total = np.ascontiguousarray(total[:, ::-1])
    total = np.asarray(cv2.GaussianBlur(total, (0, 0), float(rng.uniform(0.8, 2.0))), np.float32)
    texture = np.asarray(
        cv2.GaussianBlur(rng.standard_normal(total.shape, dtype=np.float32), (0, 0), 3.0)
    )
    total = total * (1 + 0.4 * texture.astype(np.float32))
    image = total / max(float(np.percentile(total, 99.7)), 1e-6)
    image = np.clip(image, 0, None) ** np.float32(rng.uniform(0.6, 1.1))
    image += np.float32(rng.uniform(0.005, 0.02)) * rng.standard_normal(
        total.shape, dtype=np.float32
    )
    out: FloatImage = image * np.float32(0.9) + np.float32(rng.uniform(0.0, 0.08))
    return out


def _solid(total: FloatImage, outline: FloatArray, cortex: float, density: float) -> None:
    """Add a hollow bone of this outline (N, 2); `cortex` is the thickness of its wall."""
    mask = np.zeros(total.shape, np.uint8)
    cv2.fillPoly(mask, [np.round(outline).astype(np.int32)], 1)
    inside = np.asarray(cv2.distanceTransform(mask, cv2.DIST_L2, 5), np.float32)
    radius = max(float(inside.max()), 1.0)
    outer = np.sqrt(np.clip(1 - (1 - np.minimum(inside, radius) / radius) ** 2, 0, 1))
    core = max(radius - cortex, 1e-3)
    within = np.clip(inside - cortex, 0, None)
    inner = np.sqrt(np.clip(1 - (1 - np.minimum(within, core) / core) ** 2, 0, 1))
    total += np.float32(density * radius / 20) * (outer - 0.65 * inner * core / radius) * mask


def _tissue(total: FloatImage, outline: FloatArray, thick: float) -> None:
    """Add soft tissue of this outline, thickest in the middle."""
    mask = np.zeros(total.shape, np.uint8)
    cv2.fillPoly(mask, [np.round(outline).astype(np.int32)], 1)
    inside = np.asarray(cv2.distanceTransform(mask, cv2.DIST_L2, 5), np.float32)
    total += np.float32(thick) * np.sqrt(inside / max(float(inside.max()), 1.0))


def _shaft(line: FloatArray, widths: Sequence[float]) -> FloatArray:
    """Outline of a bone along a line (N, 2); widths at evenly spaced places of it."""
    t = np.linspace(0, 1, 40)
    at = np.linspace(0, 1, len(line))
    centre = np.stack([np.interp(t, at, line[:, k]) for k in (0, 1)], axis=1)
    half = np.interp(t, np.linspace(0, 1, len(widths)), np.asarray(widths)) / 2
    along = np.gradient(centre, axis=0)
    along /= np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-6)[:, None]
    side = np.stack([-along[:, 1], along[:, 0]], axis=1) * half[:, None]
    return np.concatenate([centre + side, (centre - side)[::-1]])


def _ellipse(x: float, y: float, a: float, b: float, turn: float = 0.0) -> FloatArray:
    t = np.linspace(0, 2 * np.pi, 60)
    p = np.stack([a * np.cos(t), b * np.sin(t)], axis=1)
    c, s = np.cos(turn), np.sin(turn)
    out: FloatArray = p @ np.array([[c, s], [-s, c]]) + np.array([x, y])
    return out


def _hand(total: FloatImage, rng: np.random.Generator) -> None:
    wrist = np.array([400.0, 850.0])
    _tissue(total, _ellipse(400, 700, 190, 230), 0.5)
    _tissue(total, _shaft(np.array([[400.0, 800], [400, 1100]]), [210, 190]), 0.5)
    for k, spread in enumerate((-48, -15, -3, 9, 22)):
        angle = np.deg2rad(spread + rng.normal(0, 3))
        way = np.array([np.sin(angle), -np.cos(angle)])
        lengths = [150, 95, 62] if k == 0 else [190, 120, 78, 52]
        size = 0.86 if k in (0, 4) else 1.0
        start = wrist + way * 80 + np.array([(k - 2) * 22.0, 0])
        for length, width in zip(lengths, (46, 38, 33, 29), strict=False):
            end = start + way * length * size
            _tissue(total, _shaft(np.array([start, end + way * 15]), [width * 2, width * 1.8]), 0.3)
            profile = np.array([1.25, 0.8, 0.7, 0.85, 1.15]) * width
            _solid(total, _shaft(np.array([start, end]), list(profile)), 6, 1.2)
            start = end + way * 8
    for _ in range(8):
        x, y = wrist + rng.uniform(-1, 1, 2) * (75, 45)
        _solid(total, _ellipse(x, y, 30, 26, rng.uniform(0, 3)), 4, 1.0)
    for x in (360, 455):
        line = np.array([[x, 905.0], [x + rng.normal(0, 8), 1150]])
        _solid(total, _shaft(line, [85, 60, 55]), 9, 1.3)


def _lower_leg(total: FloatImage, rng: np.random.Generator) -> None:
    lean = float(rng.normal(0, 15))
    axis = np.array([[380.0, -60], [380 + lean, 1160]])
    _tissue(total, _shaft(axis, [330, 360, 260, 220]), 0.7)
    _solid(total, _shaft(axis, [170, 105, 88, 84, 88, 125]), 20, 1.5)
    other = axis + np.array([float(rng.uniform(80, 115)), 0.0])
    _solid(total, _shaft(other, [50, 34, 30, 32, 48]), 9, 1.2)


def _knee(total: FloatImage, rng: np.random.Generator) -> None:
    middle = float(rng.uniform(480, 620))
    _tissue(total, _shaft(np.array([[400.0, -50], [400, 1150]]), [380, 320, 340, 300]), 0.7)
    upper = np.array([[400 + rng.normal(0, 15), -60], [400, middle - 20]])
    _solid(total, _shaft(upper, [120, 105, 115, 200, 235]), 18, 1.5)
    lower = np.array([[400, middle + 16], [400 + rng.normal(0, 15), 1160]])
    _solid(total, _shaft(lower, [235, 190, 110, 100, 95]), 18, 1.5)
    _solid(total, _ellipse(400 + rng.normal(0, 20), middle - 90, 62, 70), 6, 0.8)
    fibula = np.array([[500.0, middle + 70], [505, 1160]])
    _solid(total, _shaft(fibula, [50, 32, 30]), 8, 1.0)


def _hip(total: FloatImage, rng: np.random.Generator) -> None:
    _tissue(total, _ellipse(420, 560, 420, 620), 1.0)
    wing = np.array([[150, 60], [420, 40], [520, 330], [450, 480], [300, 470], [180, 330]], float)
    _solid(total, wing + rng.normal(0, 12, wing.shape), 8, 0.5)
    _solid(total, _ellipse(400, 520, 105, 105), 8, 1.0)
    _solid(total, _shaft(np.array([[405.0, 520], [560, 640]]), [130, 110, 150]), 12, 1.0)
    _solid(total, _shaft(np.array([[575.0, 610], [545, 1160]]), [190, 130, 120, 120]), 22, 1.3)
    ring = _shaft(np.array([[130.0, 640], [330, 600], [330, 760], [180, 820]]), [60, 70, 60, 60])
    _solid(total, ring, 8, 0.9)


def _skull(total: FloatImage, rng: np.random.Generator) -> None:
    dome = _ellipse(400, 400, 330 + rng.normal(0, 12), 270)
    _tissue(total, dome * 1.0, 0.8)
    inner = (dome - dome.mean(axis=0)) * 0.95 + dome.mean(axis=0)
    for outline, value in ((dome, 0.7), (inner, -0.45)):
        mask = np.zeros(total.shape, np.float32)
        cv2.fillPoly(mask, [np.round(outline).astype(np.int32)], value)
        total += mask
    _solid(total, _ellipse(230, 640, 150, 110, 0.4), 8, 0.5)
    _solid(total, _shaft(np.array([[90.0, 820], [330, 860], [480, 640]]), [90, 80, 90]), 10, 0.9)
    for x in range(110, 320, 28):
        _solid(total, _ellipse(x, 760, 11, 34), 4, 2.0)
    _solid(total, _ellipse(470, 600, 80, 45), 6, 1.0)


def _chest(total: FloatImage, rng: np.random.Generator) -> None:
    _tissue(total, _ellipse(400, 620, 390, 640), 1.0)
    for side in (-1, 1):
        lung = _ellipse(400 + side * 190, 520, 140, 350)
        _tissue(total, lung, -0.6)
        for k in range(10):
            y = 160 + 78 * k
            rib = np.array(
                [[400 + side * 25, y], [400 + side * 220, y - 5], [400 + side * 335, y + 90],
                 [400 + side * 230, y + 175]], float
            )  # fmt: skip
            _solid(total, _shaft(rib, [20, 24, 24, 20]), 3, 0.45)
        clavicle = np.array([[400 + side * 40, 200.0], [400 + side * 320, 110]])
        _solid(total, _shaft(clavicle, [34, 26, 30]), 5, 0.8)
    _tissue(total, _ellipse(400 + rng.uniform(20, 60), 660, 150, 190), 0.55)
    for y in range(80, 1080, 62):
        _solid(total, _ellipse(400, y, 44, 25), 4, 0.5)


#: Other parts of the body, and how each is drawn.
OTHER_BONES: Final[dict[str, Callable[[FloatImage, np.random.Generator], None]]] = {
    "drawn hand": _hand,
    "drawn lower leg": _lower_leg,
    "drawn knee": _knee,
    "drawn hip": _hip,
    "drawn skull": _skull,
    "drawn chest": _chest,
}
