"""The same subject from the front: examples of what is not a lateral film.

Only roughly true: bodies, pedicles, spinous and transverse processes, ribs, sacrum, iliac wings
and soft tissue, without landmarks. Points are turned into the camera's frame by `turned`.
"""

from dataclasses import replace
from typing import Any, Final

import cv2
import numpy as np

from endplate.datasets.film import AnnotatedFilm, GreyImage
from endplate.datasets.simulator import overlay
from endplate.datasets.simulator.anatomy import Body, SpineModel
from endplate.datasets.simulator.body import corner_points, endplate_drop
from endplate.datasets.simulator.detector import Look, expose, finish, trabecular_texture
from endplate.datasets.simulator.projection import (
    Camera,
    Map,
    Slabs,
    as_map,
    render_slabs,
    render_tubes,
)
from endplate.datasets.simulator.ribs import rib_tubes
from endplate.datasets.simulator.shapes import CORTEX, SPONGE, inset, rounded
from endplate.datasets.simulator.tissue import (
    WATER,
    blur_curve,
    enlarged,
    grid_step,
    mottle,
    soft_step,
)
from endplate.geometry.landmarks import FloatArray

__all__ = ["compose_frontal", "turned"]

_SLICES: Final[int] = 9


def turned(points: FloatArray) -> FloatArray:
    """(..., 3) points of the subject as the camera in front sees them: side, down, backwards."""
    out: FloatArray = np.stack([points[..., 2], points[..., 1], -points[..., 0]], axis=-1)
    return out


def compose_frontal(
    rng: np.random.Generator,
    spine: SpineModel,
    lateral: Camera,
    look: Look,
    bits: int,
    name: str,
    attributes: dict[str, Any],
) -> AnnotatedFilm:
    """A frontal film of the stretch of spine that `lateral` shows; it carries no landmarks."""
    camera = replace(
        lateral,
        centre=lateral.centre * [0.0, 1.0] + [rng.normal(0, 12), 0.0],
        central=lateral.central * [0.0, 1.0],
        shape=(lateral.shape[0], max(lateral.shape[1], round(180 / lateral.pixel_mm))),
    )
    bone = np.zeros(camera.shape, np.float32)
    for body in spine.bodies:
        render_slabs(camera, [_body(body), *_processes(body, rng)], bone)
    render_slabs(camera, _pelvis(spine, rng), bone)
    tubes = [replace(t, line=turned(t.line)) for t in rib_tubes(spine, rng)]
    render_tubes(camera, tubes, bone)
    bone *= 1 + trabecular_texture(rng, camera.shape, camera.pixel_mm)
    total = _tissue(camera, spine, rng) + bone * np.float32(rng.uniform(0.7, 1.1))
    log_dose = expose(total, look, camera.pixel_mm, rng)
    anchors = camera.project(turned(np.array([b.centre for b in spine.bodies])))
    rows, columns = camera.shape
    inside = ((anchors >= 0) & (anchors < [columns, rows])).all(axis=1)
    image = finish(log_dose, look, camera.pixel_mm, anchors[inside].astype(np.int64))
    overlay.add_borders(image, rng, look.whole)
    overlay.add_marks(image, camera.pixel_mm, rng)
    return AnnotatedFilm(
        image=_stored(image, bits),
        vertebrae=(),
        name=f"{name}.png",
        subject=name,
        view="frontal",
        spacing_mm=(camera.pixel_mm, camera.pixel_mm),
        attributes=attributes,
    )


def _stored(image: Map, bits: int) -> GreyImage:
    if bits == 16:
        return np.round(np.clip(image, 0, 1) * 4095).astype(np.uint16)
    return np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)


def _coronal(
    body: Body, outline: FloatArray, depths: FloatArray, chord: float, shell: float, core: float
) -> Slabs:
    """Slabs from (P, 2) or (K, P, 2) outlines (side, down) at (K,) places along the depth."""
    outline = np.broadcast_to(outline, (len(depths), *outline.shape[-2:]))

    def placed(shape: FloatArray) -> FloatArray:
        depth = np.broadcast_to(depths[:, None, None], (*shape.shape[:2], 1))
        local = np.concatenate([depth, shape[..., 1:], shape[..., :1]], axis=-1)
        return turned(body.to_subject(local))

    return Slabs(
        placed(outline),
        placed(inset(outline, 0.8)),
        np.full(len(depths), chord / len(depths)),
        CORTEX * shell,
        SPONGE * core,
    )


def _body(body: Body) -> Slabs:
    """The body as slices from front to back."""
    edges = np.linspace(-1, 1, _SLICES + 1)
    us = (edges[1:] + edges[:-1]) / 2
    sa, sp, ip, ia = corner_points(body)
    s = np.linspace(-1, 1, 13)
    shapes = []
    for u in us:
        f = (u + 1) / 2
        half = body.width / 2 * (1 - abs(u) ** 3) ** (1 / 3)
        top = sp[1] + f * (sa[1] - sp[1]) + endplate_drop(body, True, np.array([u]))[0] * (1 - s**4)
        low = ip[1] + f * (ia[1] - ip[1])
        low = low - endplate_drop(body, False, np.array([u]))[0] * (1 - s**4)
        v = np.linspace(0, 1, 9)[1:-1]
        wall = half * (1 - 0.32 * v * (1 - v))
        heights = top[-1] + v * (low[-1] - top[-1])
        shapes.append(
            np.concatenate(
                [
                    np.stack([half * s, top], 1),
                    np.stack([wall, heights], 1),
                    np.stack([half * s, low], 1)[::-1],
                    np.stack([-wall, heights], 1)[::-1],
                ]
            )
        )
    depth = (body.depth_superior + body.depth_inferior) / 2
    return _coronal(body, np.array(shapes), us * depth / 2, depth, body.cortex, body.density)


def _ellipse(x: float, y: float, a: float, b: float, count: int = 20) -> FloatArray:
    t = np.linspace(0, 2 * np.pi, count + 1)[:-1]
    return np.stack([x + a * np.cos(t), y + b * np.sin(t)], axis=1)


def _processes(body: Body, rng: np.random.Generator) -> list[Slabs]:
    """Pedicle eyes, spinous process, laminae, articular and transverse processes."""
    half, size = body.posterior / 2, body.size
    back = -body.depth_superior / 2
    lumbar = body.level[0] == "L"
    depth = back - np.array([3.0, 8.0]) * size
    parts = []
    for side in (-1, 1):
        z = side * 0.34 * body.width
        eye = _ellipse(z, -0.25 * half, 0.09 * body.width, 0.42 * half)
        parts.append(_coronal(body, eye, depth, 10 * size, 1.2, 1.0))
        reach = (38.0 if lumbar else 28.0) * size + rng.normal(0, 2)
        process = np.array(
            [[z, -0.55 * half], [side * reach, -0.6 * half - 3], [side * reach, -0.2 * half - 1],
             [z, 0.1 * half]]
        )  # fmt: skip
        parts.append(_coronal(body, rounded(process), depth - 6, 6 * size, 0.8, 1.0))
        facet = _ellipse(side * 14 * size, half + 1, 6 * size, 11 * size)
        parts.append(_coronal(body, facet, depth - 9, 12 * size, 0.8, 1.2))
    drop = half * (0.35 if lumbar else 1.0)
    spinous = _ellipse(rng.normal(0, 0.8), drop, 3.2 * size, 0.62 * half)
    parts.append(_coronal(body, spinous, depth - 22, 26 * size, 1.0, 1.2))
    lamina = np.array([[-12, -0.1], [12, -0.1], [14, 0.9], [0, 0.6], [-14, 0.9]]) * [size, half]
    parts.append(_coronal(body, rounded(lamina), depth - 12, 6 * size, 0.8, 1.0))
    return parts


def _pelvis(spine: SpineModel, rng: np.random.Generator) -> list[Slabs]:
    """Sacrum and iliac wings, flat."""
    s1 = replace(spine.sacrum, angles=(0.0, spine.sacrum.angles[1], 0.0))
    size = spine.size
    sacrum = np.array([[-52, -12], [-26, -16], [26, -16], [52, -12], [40, 35], [14, 85], [-14, 85],
                       [-40, 35]]) * size  # fmt: skip
    depths = np.array([-10.0, 0.0, 10.0])
    parts = [_coronal(s1, rounded(sacrum), depths, 26.0, 0.6, 1.0)]
    for side in (-1, 1):
        wing = np.array([[36, 42], [48, -8], [72, -42], [110, -46], [136, -20], [128, 18], [98, 62],
                         [62, 70]], dtype=float)  # fmt: skip
        wing = (wing + rng.normal(0, 2.5, wing.shape)) * size * [side, 1]
        parts.append(_coronal(s1, rounded(wing), depths + 10, 14.0, 0.8, 2.0))
        for k in range(3):
            hole = _ellipse(side * (22 - 3 * k) * size, (8 + 20 * k) * size, 5 * size, 4 * size)
            parts.append(_coronal(s1, hole, depths[:1], 8.0, -0.4, -1.0))
    return parts


def _tissue(camera: Camera, spine: SpineModel, rng: np.random.Generator) -> Map:
    """Trunk between two flanks, lungs above two domes, bowel gas."""
    x, y = camera.plane_grid(grid_step(camera))
    by = {b.level: float(b.centre[1]) for b in (*spine.bodies, spine.sacrum)}
    knots = np.array([by["C3"], by["C7"], by["T3"], by["T8"], by["L2"], by["S1"], by["S1"] + 90])
    rows = np.linspace(float(y.min()), float(y.max()), 200)
    fat = rng.uniform(0.85, 1.3)
    sides = np.interp(rows, knots, np.array([58, 70, 175, 165, 140, 165, 180]) * fat)
    half = np.interp(y, rows, blur_curve(sides, 12.0))
    thick = np.interp(y, knots, np.array([110, 120, 190, 230, 210, 220, 200]) * fat)
    share = np.clip(np.abs(x) / half, 0, 1)
    total = WATER * thick * (1 - share**3) ** 0.6 * (1 + mottle(rng, x.shape))
    base = by["T11"] + rng.normal(0, 8)
    for side in (-1, 1):
        middle = side * half * 0.5
        dome = base + 45 * ((x - middle) / (0.45 * half)) ** 2 - 40
        lung = soft_step(as_map(dome - y), 1.5) * (y > by["T1"])
        lung = lung * soft_step(as_map(half * 0.38 - np.abs(x - middle)), 3.0)
        total = total - WATER * 0.75 * lung * 0.75 * thick
    total = total + WATER * 45 * np.exp(-((x / 30) ** 2)) * (y < base)
    gas = np.zeros(x.shape, np.float32)
    for _ in range(rng.poisson(10)):
        at = (int(rng.integers(x.shape[1])), int(rng.integers(x.shape[0])))
        axes = tuple(int(v) for v in np.ceil(rng.gamma(3.0, 2.5, 2)))
        cv2.ellipse(gas, at, axes, float(rng.uniform(0, 180)), 0, 360, 1.0, -1)
    gas = as_map(cv2.GaussianBlur(gas, (0, 0), 1.2) * np.float32(rng.uniform(8, 28)))
    return enlarged(camera, as_map(total - WATER * gas * (y > base)))
