"""Test objects, blank plates and documents: images without a patient."""

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from endplate.datasets.film import GreyImage

__all__ = ["PHANTOMS", "FloatImage", "draw_phantom", "stored"]

FloatImage = npt.NDArray[np.float32]

_WORDS: Final = ("patient", "spine", "lateral", "report", "findings", "fracture", "height", "kept")


def draw_phantom(kind: str, seed: int) -> GreyImage:
    """One image of a kind of `PHANTOMS`; the same for the same seed."""
    rng = np.random.default_rng([seed, *kind.encode()])
    shape = (int(rng.integers(700, 2200)), int(rng.integers(500, 1600)))
    return stored(PHANTOMS[kind](shape, rng))


def stored(image: FloatImage) -> GreyImage:
    """8-bit pixels of an image whose grey values run from 0 to 1."""
    return np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)


def _flat(shape: tuple[int, int], value: float) -> FloatImage:
    return np.full(shape, value, np.float32)


def _write(image: FloatImage, text: str, at: tuple[int, int], scale: float, value: float) -> None:
    """Write text of this grey value, in place."""
    ink = np.zeros(image.shape, np.uint8)
    cv2.putText(ink, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, max(1, round(scale)))
    image[ink > 0] = value


def _blank(shape: tuple[int, int], rng: np.random.Generator) -> FloatImage:
    """A plate without exposure, black, white or grey."""
    return _flat(shape, float(rng.choice([0.0, 0.3, 0.5, 0.8, 1.0])))


def _noise(shape: tuple[int, int], rng: np.random.Generator) -> FloatImage:
    """Noise of one grain size over nothing."""
    grain = rng.standard_normal(shape, dtype=np.float32)
    if rng.random() < 0.5:
        sigma = float(rng.uniform(0.5, 2.5))
        grain = np.asarray(cv2.GaussianBlur(grain, (0, 0), sigma), np.float32)
        grain /= float(grain.std())
    return 0.5 + np.float32(rng.choice([0.004, 0.02, 0.1, 0.25])) * grain


def _clouds(shape: tuple[int, int], rng: np.random.Generator) -> FloatImage:
    """Noise of all grain sizes, as in smoke."""
    total = _flat(shape, 0.0)
    for k in range(2, 9):
        cells = rng.standard_normal((2**k, 2**k), dtype=np.float32)
        layer = cv2.resize(cells, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
        total += np.asarray(layer, np.float32) * np.float32(0.62**k)
    out: FloatImage = (total - total.min()) / max(float(np.ptp(total)), 1e-6)
    return out


def _flat_field(shape: tuple[int, int], rng: np.random.Generator) -> FloatImage:
    """An even exposure: heel effect, collimator edges and noise."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    slope = rng.normal(0, 0.25, 2)
    image = 0.5 + np.float32(slope[0]) * (x / shape[1] - 0.5)
    image = image + np.float32(slope[1]) * (y / shape[0] - 0.5)
    top, left = (int(v) for v in rng.uniform(0.02, 0.2, 2) * shape)
    frame = _flat(shape, float(rng.choice([0.0, 1.0])))
    frame[top : shape[0] - top, left : shape[1] - left] = image[
        top : shape[0] - top, left : shape[1] - left
    ]
    return frame + np.float32(0.01) * rng.standard_normal(shape, dtype=np.float32)


def _step_wedge(shape: tuple[int, int], rng: np.random.Generator) -> FloatImage:
    """An aluminium stair, upright or lying, on a plate."""
    steps = int(rng.integers(6, 20))
    stair = np.linspace(0.1, 0.95, steps, dtype=np.float32)
    width = shape[1] // int(rng.integers(2, 5))
    rows = np.repeat(stair, -(-int(shape[0] * 0.8) // steps))[: int(shape[0] * 0.8)]
    image = _flat(shape, 0.05)
    top, left = int(shape[0] * 0.1), int(rng.integers(0, shape[1] - width))
    image[top : top + len(rows), left : left + width] = rows[:, None]
    if rng.random() < 0.3:
        image = np.ascontiguousarray(image.T)
    return image + np.float32(0.01) * rng.standard_normal(image.shape, dtype=np.float32)


def _bars(shape: tuple[int, int], rng: np.random.Generator) -> FloatImage:
    """Groups of bars, closer and closer: a resolution pattern."""
    image = _flat(shape, 0.2)
    y, pitch = int(shape[0] * 0.05), float(rng.uniform(40, 90))
    left, right = int(shape[1] * 0.3), int(shape[1] * 0.7)
    while y < shape[0] * 0.92 and pitch > 3:
        for _ in range(5):
            image[y : y + max(int(pitch / 2), 1), left:right] = 0.9
            y += max(int(pitch), 2)
        y += int(pitch)
        pitch *= 0.8
    return image + np.float32(0.01) * rng.standard_normal(shape, dtype=np.float32)


def _grid(shape: tuple[int, int], rng: np.random.Generator) -> FloatImage:
    """A grid of wires."""
    image = _flat(shape, 0.3)
    pitch, thick = int(rng.integers(25, 160)), int(rng.integers(1, 6))
    for x in range(pitch // 2, shape[1], pitch):
        cv2.line(image, (x, 0), (x, shape[0]), 0.9, thick)
    for y in range(pitch // 2, shape[0], pitch):
        cv2.line(image, (0, y), (shape[1], y), 0.9, thick)
    return image + np.float32(0.02) * rng.standard_normal(shape, dtype=np.float32)


def _circles(shape: tuple[int, int], rng: np.random.Generator) -> FloatImage:
    """Discs of falling size and contrast in rows, as in a contrast-detail phantom."""
    image = _flat(shape, 0.4)
    rows, columns = int(rng.integers(4, 10)), int(rng.integers(3, 8))
    dy, dx = shape[0] / (rows + 1), shape[1] / (columns + 1)
    for i in range(rows):
        for j in range(columns):
            radius = max(int(0.42 * min(dx, dy) * (1 - j / columns)), 2)
            centre = (int(dx * (j + 1)), int(dy * (i + 1)))
            cv2.circle(image, centre, radius, 0.4 + 0.5 * (1 - i / rows), -1, cv2.LINE_AA)
    return image + np.float32(0.015) * rng.standard_normal(shape, dtype=np.float32)


def _blocks(shape: tuple[int, int], rng: np.random.Generator) -> FloatImage:
    """A pile of equal blocks: the nearest that a test object comes to a column."""
    image = _flat(shape, 0.15)
    height = int(rng.integers(60, 130))
    width, gap = int(height * rng.uniform(1.0, 1.5)), int(height * rng.uniform(0.15, 0.4))
    x = int(rng.integers(shape[1] // 5, max(shape[1] - width, shape[1] // 5 + 1)))
    for y in range(gap, shape[0] - height, height + gap):
        cv2.rectangle(image, (x, y), (x + width, y + height), 0.7, -1)
    image = np.asarray(cv2.GaussianBlur(image, (0, 0), float(rng.uniform(1, 4))), np.float32)
    return image + np.float32(0.02) * rng.standard_normal(shape, dtype=np.float32)


def _page(shape: tuple[int, int], rng: np.random.Generator) -> FloatImage:
    """A printed page, black on white or scanned as a negative."""
    image = _flat(shape, 0.97)
    scale = float(rng.uniform(0.6, 1.6))
    y = 60
    while y < shape[0] - 40:
        line = " ".join(rng.choice(_WORDS, int(shape[1] / (90 * scale)) + 1))
        if rng.random() < 0.85:
            _write(image, line, (40, y), scale, 0.1)
        y += int(38 * scale)
    return 1 - image if rng.random() < 0.3 else image


def _screen(shape: tuple[int, int], rng: np.random.Generator) -> FloatImage:
    """A program's window: bars, boxes, tables and a curve."""
    image = _flat(shape, 0.92)
    cv2.rectangle(image, (0, 0), (shape[1], 60), 0.25, -1)
    _write(image, "Worklist  File  View  Help", (20, 42), 1.0, 0.9)
    cv2.rectangle(image, (0, 60), (shape[1] // 5, shape[0]), 0.75, -1)
    for y in range(110, shape[0] - 30, 46):
        _write(image, str(rng.choice(_WORDS)), (14, y), 0.7, 0.1)
        cv2.line(image, (shape[1] // 5, y + 12), (shape[1], y + 12), 0.7, 1)
        if rng.random() < 0.6:
            number = f"{rng.normal(20, 9):.1f}"
            _write(image, number, (int(shape[1] * rng.uniform(0.3, 0.8)), y), 0.7, 0.2)
    x = np.arange(shape[1] // 4, shape[1] - 10, 8)
    curve = shape[0] * (0.5 + 0.1 * np.cumsum(rng.normal(0, 0.12, x.size)))
    points = np.stack([x, np.clip(curve, 70, shape[0] - 5)], axis=1).astype(np.int32)
    cv2.polylines(image, [points], False, 0.3, 3, cv2.LINE_AA)
    return image


#: Kinds of image without a patient, and how each is drawn.
PHANTOMS: Final[dict[str, Callable[[tuple[int, int], np.random.Generator], FloatImage]]] = {
    "blank plate": _blank,
    "noise": _noise,
    "clouds": _clouds,
    "flat field": _flat_field,
    "step wedge": _step_wedge,
    "resolution bars": _bars,
    "wire grid": _grid,
    "contrast discs": _circles,
    "pile of blocks": _blocks,
    "printed page": _page,
    "program window": _screen,
}
