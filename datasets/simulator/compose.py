"""One film from a subject, a camera and a look."""

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from endplate.datasets.film import AnnotatedFilm, GreyImage
from endplate.datasets.film_annotation import Facing
from endplate.datasets.on_film import corner_list, sorted_out
from endplate.datasets.simulator import overlay
from endplate.datasets.simulator.anatomy import Body, SpineModel
from endplate.datasets.simulator.body import body_slabs
from endplate.datasets.simulator.cement_draw import fill_bodies
from endplate.datasets.simulator.detector import Look, expose, finish, trabecular_texture
from endplate.datasets.simulator.discs import vacuum_slabs
from endplate.datasets.simulator.draw import draw_spine
from endplate.datasets.simulator.hardware import Hardware, draw_hardware, metal_map
from endplate.datasets.simulator.pathology import draw_fracture
from endplate.datasets.simulator.posterior import posterior_slabs
from endplate.datasets.simulator.projection import Camera, Map, render_slabs, render_tubes
from endplate.datasets.simulator.ribs import rib_tubes
from endplate.datasets.simulator.sacrum import pelvis_slabs, sacrum_slabs
from endplate.datasets.simulator.settings import SimulatorSettings
from endplate.datasets.simulator.tissue import soft_tissue
from endplate.datasets.simulator.truth import project_body
from endplate.geometry.landmarks import Vertebra
from endplate.geometry.levels import LEVELS

__all__ = ["Subject", "cement_record", "compose", "draw_subject"]


@dataclass(frozen=True, eq=False)
class Subject:
    """A spine with its injuries and implants."""

    spine: SpineModel
    hardware: Hardware


def draw_subject(rng: np.random.Generator, settings: SimulatorSettings) -> Subject:
    """Draw one subject."""
    spine = draw_spine(rng, settings)
    if rng.random() < settings.fractured:
        spine = draw_fracture(rng, spine, settings.severe)
    hardware = Hardware()
    metal = rng.random() < settings.hardware
    if metal:
        hardware = draw_hardware(rng, spine, settings.implant)
    if hardware.kind == "balloon":  # on the table of the theatre
        spine = replace(spine, standing=False)
    cemented = rng.random() < (0.3 if metal else settings.cement)
    # cement comes after the balloons
    if cemented and hardware.kind != "balloon":
        spine = fill_bodies(rng, spine, settings)
    return Subject(spine, hardware)


def compose(
    rng: np.random.Generator,
    subject: Subject,
    camera: Camera,
    look: Look,
    facing: Facing,
    bits: int,
    name: str,
    dirt: bool = True,
) -> AnnotatedFilm:
    """Make the film.

    Parameters
    ----------
    rng : Generator
        For everything that is not fixed by the other parameters.
    subject, camera, look
        What is shown, from where, and how it is exposed and processed.
    facing : str
        ``left`` or ``right``.
    bits : int
        8 or 16.
    name : str
        Of the film, without ending.
    dirt : bool
        Whether to add collimator edges, letters, dust and coding losses.
    """
    image = _develop(rng, subject, camera, look)
    bodies = _landmarks(camera, subject)
    if facing == "left":
        image, bodies = _mirrored(image, bodies)
    covered = None
    if dirt:
        covered = overlay.add_borders(image, rng, look.whole)
        overlay.add_marks(image, camera.pixel_mm, rng)
    seen, rest = _sorted_out(bodies, camera.shape, covered)
    return AnnotatedFilm(
        image=_stored(image, bits, rng, dirt),
        vertebrae=seen,
        name=f"{name}.png",
        subject=name,
        view="lateral",
        facing=facing,
        spacing_mm=(camera.pixel_mm, camera.pixel_mm),
        complete=True,
        attributes=_attributes(subject, camera) | rest,
    )


def _develop(rng: np.random.Generator, subject: Subject, camera: Camera, look: Look) -> Map:
    """(rows, columns) display values 0 to 1, the subject facing right."""
    spine = subject.spine
    bone = np.zeros(camera.shape, np.float32)
    for body in spine.bodies:
        if _on_film(camera, body, 70.0):
            render_slabs(camera, body_slabs(body, camera.ray_slope(body.centre)), bone)
            render_slabs(camera, posterior_slabs(body, rng), bone)
    if _on_film(camera, spine.sacrum, 160.0):
        render_slabs(camera, sacrum_slabs(spine), bone)
        render_slabs(camera, pelvis_slabs(spine, rng), bone)
    render_tubes(camera, rib_tubes(spine, rng), bone)
    bone *= 1 + trabecular_texture(rng, camera.shape, camera.pixel_mm)
    total = soft_tissue(camera, spine, rng, look.whole)
    total += bone * np.float32(rng.uniform(0.75, 1.25))
    for cleft in vacuum_slabs(spine, rng):
        render_slabs(camera, [cleft], total)
    metal = metal_map(camera, spine, subject.hardware, rng)
    if metal is not None:
        total += metal
    if look.whole and rng.random() < 0.8:
        overlay.add_grid(total, camera.pixel_mm, rng)
    log_dose = expose(total, look, camera.pixel_mm, rng)
    return finish(log_dose, look, camera.pixel_mm, _anchors(camera, spine))


def _on_film(camera: Camera, body: Body, margin_mm: float) -> bool:
    x, y = camera.project(body.centre)
    m = margin_mm / camera.pixel_mm
    rows, columns = camera.shape
    return bool(-m < x < columns + m and -m < y < rows + m)


def _anchors(camera: Camera, spine: SpineModel) -> npt.NDArray[np.int64]:
    """(N, 2) column and row of the bodies' centres that lie on the film."""
    places = camera.project(np.array([b.centre for b in spine.bodies]))
    rows, columns = camera.shape
    inside = ((places >= 0) & (places < [columns, rows])).all(axis=1)
    out: npt.NDArray[np.int64] = places[inside].astype(np.int64)
    return out


def _landmarks(camera: Camera, subject: Subject) -> list[tuple[str, Vertebra]]:
    """Name and landmarks of every body; those above C7 carry a stand-in level."""
    metal = set(subject.hardware.screw_levels)
    out = []
    for body in (*subject.spine.bodies, subject.spine.sacrum):
        level = body.level if body.level in LEVELS else "C7"
        points = project_body(camera, body)
        cemented = body.cement is not None
        out.append(
            (body.level, Vertebra(level, points, hardware=body.level in metal, cement=cemented))
        )
    return out


def _sorted_out(
    bodies: list[tuple[str, Vertebra]],
    shape: tuple[int, int],
    covered: npt.NDArray[np.uint8] | None,
) -> tuple[tuple[Vertebra, ...], dict[str, Any]]:
    """Bodies that show all their points; corners of the others that are in part on the film."""
    seen: list[Vertebra] = []
    cut: dict[str, Any] = {}
    other: dict[str, Any] = {}
    for name, body in bodies:
        whole, part = sorted_out([body], shape, covered)
        if name not in LEVELS and (whole or part):
            other[name] = corner_list(body.points)
        elif part:
            cut[name] = corner_list(body.points)
        elif name in LEVELS:
            seen.extend(whole)
    return tuple(seen), {"cut_bodies": cut, "other_bodies": other}


def _mirrored(
    image: Map, bodies: list[tuple[str, Vertebra]]
) -> tuple[Map, list[tuple[str, Vertebra]]]:
    last = image.shape[1] - 1.0
    flipped = [(n, replace(v, points=v.points * [-1.0, 1.0] + [last, 0.0])) for n, v in bodies]
    return np.ascontiguousarray(image[:, ::-1]), flipped


def _stored(image: Map, bits: int, rng: np.random.Generator, lossy: bool) -> GreyImage:
    """8 bits, in half of the cases through JPEG, or 12 significant bits in 16."""
    image = np.clip(image, 0, 1)
    if bits == 16:
        return np.round(image * 4095).astype(np.uint16)
    eight = np.round(image * 255).astype(np.uint8)
    if lossy and rng.random() < 0.5:
        quality = int(rng.integers(45, 95))
        _, code = cv2.imencode(".jpg", eight, [cv2.IMWRITE_JPEG_QUALITY, quality])
        return np.asarray(cv2.imdecode(code, cv2.IMREAD_GRAYSCALE), dtype=np.uint8)
    return eight


def _attributes(subject: Subject, camera: Camera) -> dict[str, Any]:
    """What is known of the subject and of how the film was taken."""
    return {
        "simulated": True,
        "position": "standing" if subject.spine.standing else "recumbent",
        "magnification": round(camera.magnification, 4),
        "source_detector_mm": round(camera.source_mm + camera.detector_mm, 1),
        "fractures": [
            {
                "level": b.level,
                "type": b.fracture,
                "wedge_deg": round(b.wedge_deg, 3),
                "anterior_mm": round(float(b.anterior), 3),
                "posterior_mm": round(float(b.posterior), 3),
            }
            for b in subject.spine.bodies
            if b.fracture
        ],
        "hardware": subject.hardware.kind,
        "cement_levels": [b.level for b in subject.spine.bodies if b.cement is not None],
        "cement": cement_record(subject.spine),
    }


def cement_record(spine: SpineModel) -> list[dict[str, Any]]:
    """Level, kind and leaks of each body that holds cement."""
    return [
        {
            "level": b.level,
            "kind": b.cement.kind,
            "leaks": [{"kind": x.kind, "place": x.place} for x in b.cement.leaks],
        }
        for b in spine.bodies
        if b.cement is not None
    ]
