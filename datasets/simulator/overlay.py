"""What lies on top of a film: grid and stitching lines, borders, markers, dust and scratches."""

import cv2
import numpy as np
import numpy.typing as npt

from endplate.datasets.simulator.projection import Map

__all__ = ["add_borders", "add_grid", "add_marks"]


def add_grid(total: Map, pixel_mm: float, rng: np.random.Generator) -> None:
    """Add a radiopaque grid of wires, in attenuation, in place."""
    rows, columns = total.shape
    pitch = rng.uniform(45, 60) / pixel_mm
    width = max(1, round(rng.uniform(0.25, 0.7) / pixel_mm))
    strength = float(rng.uniform(0.3, 0.9))
    wires = np.zeros_like(total)
    slope = rng.normal(0, 0.003)
    for x in np.arange(rng.uniform(0, pitch), columns, pitch):
        cv2.line(wires, (round(x), 0), (round(x + slope * rows), rows), strength, width)
    for y in np.arange(rng.uniform(0, pitch), rows, pitch):
        cv2.line(wires, (0, round(y)), (columns, round(y - slope * columns)), strength, width)
    total += wires


def add_borders(image: Map, rng: np.random.Generator, whole: bool) -> npt.NDArray[np.uint8] | None:
    """Stitching line of a whole-spine film; collimator edges of the others. In place.

    Returns the pixels that an edge covers (1), None if there is none.
    """
    rows = image.shape[0]
    if whole:
        at = round(rows * rng.uniform(0.4, 0.6))
        image[at:] *= np.float32(rng.uniform(0.85, 1.1))
        thick = max(1, round(rows * rng.uniform(0.0003, 0.002)))
        image[at : at + thick] = np.float32(rng.uniform(0.5, 1.0))
        np.clip(image, 0, 1, out=image)
        return None
    covered: npt.NDArray[np.uint8] | None = None
    for side in range(4):
        if rng.random() < 0.6:
            continue
        # Unexposed behind the collimator (bright), or masked out when the film was digitised.
        value = 1.0 if rng.random() < 0.35 else rng.uniform(0.0, 0.08)
        size = rng.uniform(0.005, 0.06)
        tilt = rng.normal(0, 0.03)
        shape = _edge(image.shape, side, size, tilt)
        cv2.fillPoly(image, [shape], float(value))
        covered = np.zeros(image.shape, np.uint8) if covered is None else covered
        cv2.fillPoly(covered, [shape], 1)
    return covered


def _edge(film: tuple[int, ...], side: int, size: float, tilt: float) -> npt.NDArray[np.int32]:
    """(4, 2) outline of the edge of one side: left, right, top, bottom."""
    rows, columns = film
    if side < 2:
        d = size * columns
        a, b = d + tilt * rows / 2, d - tilt * rows / 2
        shape: list[tuple[float, float]] = [(-9, -9), (a, -9), (b, rows + 9), (-9, rows + 9)]
        if side == 1:
            shape = [(columns - x, y) for x, y in shape]
    else:
        d = min(size, 0.03) * rows
        a, b = d + tilt * columns / 2, d - tilt * columns / 2
        shape = [(-9, -9), (-9, a), (columns + 9, b), (columns + 9, -9)]
        if side == 3:
            shape = [(x, rows - y) for x, y in shape]
    return np.array(shape).round().astype(np.int32)


def add_marks(image: Map, pixel_mm: float, rng: np.random.Generator) -> None:
    """Letters, dust and scratches. In place."""
    rows, columns = image.shape
    if rng.random() < 0.3:
        text = str(rng.choice(["L", "R", "AK", "LAT", "12.03", "SL", "STAND"]))
        height = rng.uniform(5, 12) / pixel_mm / 22
        at = (int(rng.uniform(0.02, 0.85) * columns), int(rng.uniform(0.05, 0.97) * rows))
        if rng.random() < 0.75:
            at = (int(rng.choice([0.02, 0.85]) * columns), at[1])
        letters = np.zeros(image.shape, np.uint8)
        cv2.putText(
            letters, text, at, cv2.FONT_HERSHEY_SIMPLEX, height, 255, max(1, round(height * 2)),
            cv2.LINE_AA,
        )  # fmt: skip
        share = letters.astype(np.float32) * np.float32(rng.uniform(0.6, 1.0) / 255)
        np.add(image, share * (1 - image), out=image)
    for _ in range(rng.poisson(6)):
        at = (int(rng.integers(columns)), int(rng.integers(rows)))
        cv2.circle(image, at, max(0, round(rng.uniform(0, 0.5) / pixel_mm)), 1.0, -1, cv2.LINE_AA)
    for _ in range(rng.poisson(0.7)):
        x, y = rng.uniform(0, columns), rng.uniform(0, rows)
        dx, dy = rng.normal(0, 40 / pixel_mm, 2)
        value = float(rng.choice([0.0, 1.0]))
        one = image.copy()
        cv2.line(one, (round(x), round(y)), (round(x + dx), round(y + dy)), value, 1, cv2.LINE_AA)
        cv2.addWeighted(one, 0.5, image, 0.5, 0, dst=image)
