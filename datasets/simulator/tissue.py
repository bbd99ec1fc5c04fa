"""Soft tissue, lungs and bowel gas: attenuation on a coarse grid, enlarged to the film."""

from typing import Final

import cv2
import numpy as np

from endplate.datasets.simulator.anatomy import SpineModel
from endplate.datasets.simulator.projection import Camera, Map, as_map
from endplate.geometry.landmarks import FloatArray

__all__ = ["WATER", "blur_curve", "enlarged", "grid_step", "mottle", "soft_step", "soft_tissue"]

#: Attenuation of water per mm at the energy of a lateral film, hardening included.
WATER: Final[float] = 0.0165
_GRID_MM: Final[float] = 1.6


def soft_tissue(camera: Camera, spine: SpineModel, rng: np.random.Generator, whole: bool) -> Map:
    """(rows, columns) attenuation of everything that is neither bone nor metal."""
    step = grid_step(camera)
    x, y = camera.plane_grid(step)
    column = _column(spine)
    back, front, width = _outline(spine, column, y, rng)
    share = (x - back) / np.maximum(front - back, 1.0)
    inside = np.clip(1 - np.abs(2 * share - 1), 0, 1)
    power = np.float32(rng.uniform(0.38, 0.5))
    path = width * np.clip(1 - (1 - inside) ** 3, 0, 1) ** power
    total = WATER * path
    total *= 1 + mottle(rng, x.shape)
    total = _lungs(total, x, y, spine, column, back, front, rng)
    total = _gas(total, x, y, spine, column, front, rng)
    if whole:
        total = _head_and_arms(total, x, y, spine, rng)
    return enlarged(camera, total)


def grid_step(camera: Camera) -> int:
    """Pixels per point of the coarse grid on which soft tissue is drawn."""
    return max(1, round(_GRID_MM / camera.pixel_mm))


def enlarged(camera: Camera, total: Map) -> Map:
    """(rows, columns) map of the film from one on the coarse grid; nothing below 0."""
    step = grid_step(camera)
    rows, columns = camera.shape
    total = as_map(np.maximum(total, 0))
    if step > 1:
        size = (total.shape[1] * step, total.shape[0] * step)
        total = as_map(cv2.resize(total, size, interpolation=cv2.INTER_LINEAR))
    return np.ascontiguousarray(total[:rows, :columns])


def _column(spine: SpineModel) -> FloatArray:
    """(N, 2) y and x of the bodies, head to foot, with the line continued at both ends."""
    bodies = [*spine.bodies, spine.sacrum]
    points = np.array([[b.centre[1], b.centre[0]] for b in bodies])
    head = points[0] + [-150.0, 25.0]
    foot = points[-1] + [200.0, -15.0]
    return np.vstack([head, points, foot])


def smooth_noise(rng: np.random.Generator, shape: tuple[int, ...], cell: int) -> Map:
    """Unit-variance smooth noise whose features measure about `cell` grid points."""
    rows, columns = shape
    small = rng.standard_normal((rows // cell + 3, columns // cell + 3)).astype(np.float32)
    return as_map(cv2.resize(small, (columns, rows), interpolation=cv2.INTER_CUBIC))


def mottle(rng: np.random.Generator, shape: tuple[int, ...]) -> Map:
    """Relative unevenness of soft tissue: large organs, small fat planes, streaks."""
    strength = np.float32(rng.uniform(0.3, 1.2))
    total = np.zeros(shape, np.float32)
    for cell, share in ((40, 0.03), (18, 0.016), (8, 0.008), (4, 0.004)):
        total += share * smooth_noise(rng, shape, cell)
    streaks = cv2.resize(
        rng.standard_normal((shape[0] // 24 + 3, shape[1] // 3 + 3)).astype(np.float32),
        (shape[1], shape[0]),
        interpolation=cv2.INTER_CUBIC,
    )
    matrix = cv2.getRotationMatrix2D((shape[1] / 2, shape[0] / 2), float(rng.uniform(-70, 70)), 1.5)
    streaks = cv2.warpAffine(
        streaks, matrix, (shape[1], shape[0]), borderMode=cv2.BORDER_REFLECT
    ).astype(np.float32)
    return strength * (total + np.float32(0.005) * streaks)


def _outline(
    spine: SpineModel, column: FloatArray, y: Map, rng: np.random.Generator
) -> tuple[Map, Map, Map]:
    """x of the skin behind and in front, and width from side to side, along each row."""
    by = {b.level: b.centre[1] for b in (*spine.bodies, spine.sacrum)}
    knots = np.array(
        [by["C3"] - 60, by["C7"], by["T3"], by["T8"], by["L1"], by["L3"], by["S1"], by["S1"] + 90]
    )
    line = np.interp(knots, column[:, 0], column[:, 1])
    fat = rng.uniform(0.75, 1.6)
    belly = fat * rng.uniform(0.85, 1.2)
    smooth = 0.6 * line + 0.4 * line.mean()
    behind = smooth - np.array([45, 50, 58, 66, 74, 78, 88, 105]) * (0.75 + 0.25 * fat)
    ahead = smooth + np.array([40, 50, 105, 150, 125, 118, 118, 105]) * (0.5 + 0.5 * belly)
    wide = np.array([105, 120, 330, 320, 300, 290, 350, 370]) * (0.78 + 0.22 * fat)
    wide = wide * rng.uniform(0.88, 1.05)

    def along(values: FloatArray) -> Map:
        rows = np.linspace(float(y.min()), float(y.max()), 200)
        curve = np.interp(rows, knots, values)
        spread = max(3.0, 30.0 / max((rows[1] - rows[0]), 1e-3))
        curve = blur_curve(curve, spread)
        return np.interp(y, rows, curve).astype(np.float32)

    return along(behind), along(ahead), along(wide)


def blur_curve(curve: FloatArray, sigma: float) -> FloatArray:
    radius = int(min(3 * sigma, len(curve) - 1))
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    padded = np.pad(curve, radius, mode="edge")
    out: FloatArray = np.convolve(padded, kernel / kernel.sum(), mode="valid")
    return out


def soft_step(v: Map, width: float) -> Map:
    out: Map = (1 / (1 + np.exp(-np.clip(v / width, -30, 30)))).astype(np.float32)
    return out


def _lungs(
    total: Map,
    x: Map,
    y: Map,
    spine: SpineModel,
    column: FloatArray,
    back: Map,
    front: Map,
    rng: np.random.Generator,
) -> Map:
    """Air above the two domes of the diaphragm, with vessels, and the heart in front."""
    by = {b.level: b.centre[1] for b in spine.bodies}
    if y.min() > by["L2"]:
        return total
    top = by["T1"] + 10
    base = np.interp(rng.uniform(0, 1), [0, 1], [by["T10"], by["L1"]])
    line = np.interp(y, column[:, 0], column[:, 1]).astype(np.float32)
    share = (x - back) / np.maximum(front - back, 1)
    air = np.zeros_like(total)
    room = total / WATER
    for _ in range(2):
        low = base + rng.normal(0, 8)
        peak = rng.uniform(35, 60)
        dome = low - peak * np.clip(1 - ((share - 0.6) / 0.5) ** 2, -0.6, 1)
        above = soft_step((dome - y).astype(np.float32), 1.0)
        wall = soft_step((x - back - 30).astype(np.float32), 4.0) * soft_step(
            (front - 20 - x).astype(np.float32), 2.0
        )
        apex = soft_step((y - top).astype(np.float32), 8.0)
        air += above * wall * apex * np.float32(rng.uniform(60, 95))
    # Never more air than there is room between the walls of the chest.
    air = np.minimum(air, np.maximum(room - 90, 0) * 0.8)
    # Less air where the bodies and the mediastinum stand.
    spine_band = np.exp(-(((x - line - 8) / 32) ** 2))
    heart = np.exp(-(((share - 0.62) / 0.2) ** 2)) * soft_step(
        (y - by["T5"]).astype(np.float32), 12.0
    )
    air *= 1 - 0.45 * spine_band - 0.5 * heart
    vessels = np.abs(smooth_noise(rng, total.shape, 3)) * smooth_noise(rng, total.shape, 8)
    air *= 1 + 0.10 * vessels
    return as_map(total - WATER * 0.72 * air)


def _gas(
    total: Map,
    x: Map,
    y: Map,
    spine: SpineModel,
    column: FloatArray,
    front: Map,
    rng: np.random.Generator,
) -> Map:
    """Bowel gas: clusters of bubbles in front of the lumbar spine, some over it."""
    by = {b.level: b.centre[1] for b in (*spine.bodies, spine.sacrum)}
    step = float(abs(x[0, 1] - x[0, 0])) + 1e-6
    air = np.zeros(total.shape, np.float32)
    for _ in range(rng.poisson(2.2)):
        cy = rng.uniform(by["T11"] + 20, by["S1"] + 70)
        cx = np.interp(cy, column[:, 0], column[:, 1]) + rng.uniform(5, 110)
        spread = rng.uniform(8, 32)
        one = np.zeros(total.shape, np.float32)
        for _ in range(int(rng.integers(2, 22))):
            px, py = cx + rng.normal(0, spread), cy + rng.normal(0, spread)
            at = _grid_index(x, y, px, py)
            axes = rng.gamma(3.0, 2.8, 2) / step
            angle = float(rng.uniform(0, 180))
            size = (max(1, round(axes[0])), max(1, round(axes[1])))
            cv2.ellipse(one, at, size, angle, 0, 360, float(rng.uniform(0.4, 1.0)), -1, cv2.LINE_8)
        air += cv2.GaussianBlur(one, (0, 0), float(rng.uniform(0.5, 1.6))) * np.float32(
            rng.uniform(8, 36)
        )
    if rng.random() < 0.5:
        stool = cv2.GaussianBlur(rng.standard_normal(total.shape).astype(np.float32), (0, 0), 1.3)
        where = np.exp(-(((front - 45 - x) / 35) ** 2)) * (y > by["L1"])
        air += (
            np.clip(stool * 3, 0, 1.5) * where.astype(np.float32) * np.float32(rng.uniform(4, 16))
        )
    return total - WATER * air


def _grid_index(x: Map, y: Map, px: float, py: float) -> tuple[int, int]:
    """Column and row of the coarse grid nearest to a point; roll is small enough to ignore."""
    rows, columns = x.shape
    r, c = rows // 2, columns // 2
    dx = float(x[r, min(c + 1, columns - 1)] - x[r, c - 1]) / 2
    dy = float(y[min(r + 1, rows - 1), c] - y[r - 1, c]) / 2
    at = (round(c + (px - float(x[r, c])) / dx), round(r + (py - float(y[r, c])) / dy))
    limit = 10 * max(rows, columns)
    return int(np.clip(at[0], -limit, limit)), int(np.clip(at[1], -limit, limit))


def _head_and_arms(total: Map, x: Map, y: Map, spine: SpineModel, rng: np.random.Generator) -> Map:
    """Skull above, arms held forwards."""
    top = spine.bodies[0].centre
    skull = np.sqrt(((x - top[0] - 30) / 95) ** 2 + ((y - top[1] + 115) / 85) ** 2)
    total = total + 1.6 * (skull < 1) + 1.2 * np.exp(-(((skull - 0.97) / 0.025) ** 2))
    face = np.sqrt(((x - top[0] - 62) / 42) ** 2 + ((y - top[1] + 42) / 48) ** 2)
    total = total + 1.3 * soft_step((1 - face).astype(np.float32), 0.03)
    jaw = np.exp(-(((face - 0.88) / 0.08) ** 2)) * (y > top[1] - 40)
    teeth = np.exp(-(((x - top[0] - 88) / 9) ** 2) - ((y - top[1] + 42) / 12) ** 2)
    total = total + 0.7 * jaw + rng.uniform(0.5, 2.5) * teeth
    t3 = next(b.centre for b in spine.bodies if b.level == "T3")
    for _ in range(2):
        angle = np.deg2rad(rng.uniform(15, 60))
        sx, sy = t3[0] + 30 + rng.normal(0, 8), t3[1] + 5 + rng.normal(0, 10)
        along = (x - sx) * np.cos(angle) + (y - sy) * np.sin(angle)
        across = -(x - sx) * np.sin(angle) + (y - sy) * np.cos(angle)
        radius = np.float32(rng.uniform(34, 48))
        end = np.minimum(along, 0) / 0.9
        limb = np.clip(1 - (across**2 + end**2) / radius**2, 0, 1)
        bone = np.clip(1 - np.abs(np.abs(across) - 9) / 3.5, 0, 1) * (along > 0)
        total = total + WATER * 85 * np.sqrt(limb) + 0.3 * bone
    return total.astype(np.float32)
