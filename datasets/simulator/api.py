"""Making simulated films and sets of them."""

from dataclasses import dataclass, replace
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from endplate.datasets.film import AnnotatedFilm, GreyImage
from endplate.datasets.simulator import overlay
from endplate.datasets.simulator.anatomy import Body, SpineModel, draw_spine
from endplate.datasets.simulator.body import body_slabs
from endplate.datasets.simulator.detector import (
    draw_look,
    expose,
    finish,
    trabecular_texture,
)
from endplate.datasets.simulator.hardware import Hardware, draw_cement, draw_hardware, metal_map
from endplate.datasets.simulator.pathology import draw_fracture
from endplate.datasets.simulator.posterior import posterior_slabs
from endplate.datasets.simulator.projection import Camera, render_slabs, render_tubes
from endplate.datasets.simulator.ribs import rib_tubes
from endplate.datasets.simulator.sacrum import pelvis_slabs, sacrum_slabs
from endplate.datasets.simulator.settings import SimulatorSettings
from endplate.datasets.simulator.tissue import soft_tissue
from endplate.datasets.simulator.truth import project_body
from endplate.geometry.landmarks import Vertebra
from endplate.geometry.levels import LEVELS

__all__ = ["simulate_film"]

Map = npt.NDArray[np.float32]

DEFAULTS = SimulatorSettings()


@dataclass(frozen=True, eq=False)
class Subject:
    """A spine with its injuries and implants."""

    spine: SpineModel
    hardware: Hardware


def draw_subject(rng: np.random.Generator, settings: SimulatorSettings) -> Subject:
    """Draw one subject."""
    spine = draw_spine(rng, settings)
    if rng.random() < settings.fractured:
        spine = draw_fracture(rng, spine)
    hardware = Hardware()
    metal = rng.random() < settings.hardware
    if metal:
        hardware = draw_hardware(rng, spine)
    if rng.random() < (0.3 if metal else settings.cement):
        spine = draw_cement(rng, spine)
    return Subject(spine, hardware)


def simulate_film(seed: int, settings: SimulatorSettings = DEFAULTS) -> AnnotatedFilm:
    """Make one film, the same for the same seed and settings.

    Parameters
    ----------
    seed : int
        0 or more; also names the subject.
    settings : SimulatorSettings
        Mix and resolution.

    Returns
    -------
    AnnotatedFilm
        Bone bright, every body from C7 to S1 that lies wholly on the film marked.
    """
    rng = np.random.default_rng([seed, 20_24])
    names = list(settings.fields_of_view)
    weights = np.array([settings.fields_of_view[n] for n in names], dtype=float)
    fov = str(rng.choice(names, p=weights / weights.sum()))
    subject = draw_subject(rng, settings)
    camera = _draw_camera(rng, subject.spine, fov, settings.mm_per_pixel)
    look = draw_look(rng, settings.edge_enhanced, fov == "whole")
    image = _develop(rng, subject, camera, look)
    facing: Literal["left", "right"] = "right" if rng.random() < 0.5 else "left"
    vertebrae = _visible(camera, subject)
    if facing == "left":
        image, vertebrae = _mirrored(image, vertebrae)
    overlay.add_borders(image, rng, look.whole)
    overlay.add_marks(image, camera.pixel_mm, rng)
    stored = _stored(image, settings.bits, rng)
    return AnnotatedFilm(
        image=stored,
        vertebrae=vertebrae,
        name=f"sim-{seed}.png",
        subject=f"sim-{seed}",
        view="lateral",
        facing=facing,
        spacing_mm=(camera.pixel_mm, camera.pixel_mm),
        complete=True,
        attributes=_attributes(subject, camera, fov),
    )


def _draw_camera(rng: np.random.Generator, spine: SpineModel, fov: str, pixel_mm: float) -> Camera:
    """Choose what the film shows."""
    by = {b.level: b for b in (*spine.bodies, spine.sacrum)}

    def y_of(level: str) -> float:
        return float(by[level].centre[1]) if level in by else float(by["T11"].centre[1])

    s1 = by["S1"].centre[1]
    if fov == "whole":
        top, bottom = y_of("C3") - rng.uniform(0, 110), s1 + rng.uniform(60, 170)
    elif fov == "lumbar":
        top = y_of(str(rng.choice(["T10", "T11", "T12", "L1"], p=(0.2, 0.4, 0.3, 0.1))))
        bottom = s1 + rng.uniform(30, 130)
    elif fov == "thoracolumbar":
        top = y_of(str(rng.choice(["T5", "T6", "T7", "T8", "T9"])))
        bottom = y_of(str(rng.choice(["L3", "L4", "L5", "S1"])))
    else:
        names = [b.level for b in spine.bodies]
        i = int(rng.integers(names.index("T6"), names.index("L3")))
        top = spine.bodies[i].centre[1]
        bottom = spine.bodies[min(i + int(rng.integers(3, 6)), len(names) - 1)].centre[1]
    top, bottom = top - rng.uniform(0, 14), bottom + rng.uniform(8, 18)
    height = bottom - top
    inside = [b.centre[0] for b in by.values() if top < b.centre[1] < bottom]
    spread = max(inside) - min(inside)
    if fov == "whole":
        width = max(height * rng.uniform(0.4, 0.46), spread + 120)
        x = (max(inside) + min(inside)) / 2 + rng.uniform(0, 60)
    else:
        width = max(height * rng.uniform(0.33, 0.62), spread + rng.uniform(80, 110))
        room = max((width - spread) / 2 - 40, 1.0)
        x = (max(inside) + min(inside)) / 2 + rng.uniform(-0.7, 0.9) * room
    shape = (round(height / pixel_mm), round(width / pixel_mm))
    centre = np.array([x, (top + bottom) / 2])
    tall = 0.25 if fov == "whole" else 0.12
    central = centre + rng.uniform(-1, 1, 2) * [0.2 * width, tall * height]
    far = rng.uniform(1.6, 2.0) if fov == "whole" else rng.uniform(0.95, 1.8)
    detector = rng.uniform(0.18, 0.32) * 1000
    return Camera(
        far * 1000 - detector,
        detector,
        central,
        centre,
        float(np.deg2rad(rng.normal(0, 1.5 if fov == "whole" else 4.0))),
        pixel_mm,
        (max(shape[0], 32), max(shape[1], 32)),
    )


def _develop(rng: np.random.Generator, subject: Subject, camera: Camera, look: Any) -> Map:
    """(rows, columns) display values 0 to 1, the subject facing right."""
    spine = subject.spine
    bone = np.zeros(camera.shape, np.float32)
    for body in spine.bodies:
        if _on_film(camera, body):
            render_slabs(camera, body_slabs(body, camera.ray_slope(body.centre)), bone)
            render_slabs(camera, posterior_slabs(body, rng), bone)
    if _on_film(camera, spine.sacrum, 160.0):
        render_slabs(camera, sacrum_slabs(spine), bone)
        render_slabs(camera, pelvis_slabs(spine, rng), bone)
    render_tubes(camera, rib_tubes(spine, rng), bone)
    bone *= 1 + trabecular_texture(rng, camera.shape, camera.pixel_mm)
    total = soft_tissue(camera, spine, rng, look.whole)
    total += bone * np.float32(rng.uniform(0.75, 1.25))
    metal = metal_map(camera, spine, subject.hardware, rng)
    if metal is not None:
        total += metal
    if look.whole and rng.random() < 0.8:
        overlay.add_grid(total, camera.pixel_mm, rng)
    log_dose = expose(total, look, camera.pixel_mm, rng)
    return finish(log_dose, look, camera.pixel_mm, _anchors(camera, spine))


def _anchors(camera: Camera, spine: SpineModel) -> npt.NDArray[np.int64]:
    """(N, 2) column and row of the bodies' centres that lie on the film."""
    places = camera.project(np.array([b.centre for b in spine.bodies]))
    rows, columns = camera.shape
    inside = ((places >= 0) & (places < [columns, rows])).all(axis=1)
    out: npt.NDArray[np.int64] = places[inside].astype(np.int64)
    return out


def _on_film(camera: Camera, body: Body, margin_mm: float = 70.0) -> bool:
    x, y = camera.project(body.centre)
    m = margin_mm / camera.pixel_mm
    rows, columns = camera.shape
    return bool(-m < x < columns + m and -m < y < rows + m)


def _visible(camera: Camera, subject: Subject) -> tuple[Vertebra, ...]:
    """Bodies of which all points lie on the film, head to foot."""
    rows, columns = camera.shape
    metal = set(subject.hardware.screw_levels)
    out = []
    for body in (*subject.spine.bodies, subject.spine.sacrum):
        if body.level not in LEVELS:
            continue
        vertebra = project_body(camera, body)
        p = vertebra.points[np.isfinite(vertebra.points).all(axis=1)]
        if (p >= 0).all() and (p <= [columns - 1, rows - 1]).all():
            out.append(replace(vertebra, hardware=body.level in metal))
    return tuple(out)


def _mirrored(image: Map, vertebrae: tuple[Vertebra, ...]) -> tuple[Map, tuple[Vertebra, ...]]:
    columns = image.shape[1]
    flipped = tuple(
        replace(v, points=v.points * [-1.0, 1.0] + [columns - 1.0, 0.0]) for v in vertebrae
    )
    return np.ascontiguousarray(image[:, ::-1]), flipped


def _stored(image: Map, bits: int, rng: np.random.Generator) -> GreyImage:
    if bits == 16:
        return np.round(np.clip(image, 0, 1) * 4095).astype(np.uint16)
    eight = np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)
    if rng.random() < 0.5:
        quality = int(rng.integers(45, 95))
        _, code = cv2.imencode(".jpg", eight, [cv2.IMWRITE_JPEG_QUALITY, quality])
        return np.asarray(cv2.imdecode(code, cv2.IMREAD_GRAYSCALE), dtype=np.uint8)
    return eight


def _attributes(subject: Subject, camera: Camera, fov: str) -> dict[str, Any]:
    broken = [b for b in subject.spine.bodies if b.fracture]
    return {
        "simulated": True,
        "field_of_view": fov,
        "position": "standing" if subject.spine.standing else "recumbent",
        "magnification": camera.magnification,
        "fractures": [
            {
                "level": b.level,
                "type": b.fracture,
                "wedge_deg": b.wedge_deg,
                "anterior_mm": b.anterior,
                "posterior_mm": b.posterior,
            }
            for b in broken
        ],
        "hardware": subject.hardware.kind,
        "cement_levels": [b.level for b in subject.spine.bodies if b.cement],
    }
