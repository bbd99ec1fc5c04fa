"""Lateral radiographs of a deformed CT: cone-beam projection of its voxels."""

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from endplate.datasets.ct_simulator.deform import Deformation
from endplate.datasets.ct_simulator.resample import Grid, deformed_voxels
from endplate.datasets.ct_simulator.source import CtSource
from endplate.datasets.film import AnnotatedFilm
from endplate.datasets.on_film import corner_list, sorted_out
from endplate.datasets.simulator import overlay
from endplate.datasets.simulator.detector import draw_look, expose, finish
from endplate.datasets.simulator.projection import Camera, Map
from endplate.geometry.landmarks import FloatArray, Vertebra

__all__ = ["radiograph"]

#: Attenuation of water at the usual energies, per mm, and what bone adds to it by Hounsfield.
_WATER: Final = 0.019
_BONE: Final = 1.35
_STEP: Final = (2.5, 1.0, 1.0)


def radiograph(
    rng: np.random.Generator, source: CtSource, deformation: Deformation, name: str
) -> AnnotatedFilm:
    """Take a film of the deformed patient from the side, the middle of the bodies as its truth."""
    camera = _camera(rng, source, deformation)
    total = _attenuation(source, deformation, camera)
    look = draw_look(rng, 0.25, False)
    bodies = [
        (level, camera.project(_camera_axes(deformation.forward(body.points, i))))
        for i, (level, body) in enumerate(zip(deformation.levels, deformation.bodies, strict=True))
    ]
    anchors = np.array([np.nanmean(p, axis=0) for _, p in bodies])
    rows, columns = camera.shape
    on_film = ((anchors >= 0) & (anchors < [columns, rows])).all(axis=1)
    log_dose = expose(total, look, camera.pixel_mm, rng)
    image = finish(log_dose, look, camera.pixel_mm, anchors[on_film].astype(np.int64))
    facing = "right"
    if rng.random() < 0.5:
        facing = "left"
        image = np.ascontiguousarray(image[:, ::-1])
        bodies = [(n, p * [-1.0, 1.0] + [columns - 1.0, 0.0]) for n, p in bodies]
    covered = overlay.add_borders(image, rng, False)
    overlay.add_marks(image, camera.pixel_mm, rng)
    seen, cut = sorted_out([Vertebra(n, p) for n, p in bodies], camera.shape, covered)
    broken = deformation.fracture
    return AnnotatedFilm(
        image=np.round(np.clip(image, 0, 1) * 255).astype(np.uint8),
        vertebrae=seen,
        name=f"{name}.png",
        subject=source.name,
        view="lateral",
        facing=facing,  # type: ignore[arg-type]
        spacing_mm=(camera.pixel_mm, camera.pixel_mm),
        attributes={
            "simulated": True,
            "source": "ct",
            "modality": "radiograph",
            "position": "recumbent",
            "magnification": round(camera.magnification, 4),
            "fractures": [] if broken is None else [broken.record()],
            "cut_bodies": {v.level: corner_list(v.points) for v in cut},
        },
    )


def _camera_axes(local: FloatArray) -> FloatArray:
    """Left, front, up to the camera's x to the front, y down, z to the left."""
    out: FloatArray = np.stack([local[..., 1], -local[..., 2], local[..., 0]], axis=-1)
    return out


def _camera(rng: np.random.Generator, source: CtSource, deformation: Deformation) -> Camera:
    """A window on part of the column; the CT's own ends are mostly out of sight."""
    centres = deformation.centres
    first = int(rng.integers(0, max(len(centres) - 3, 1)))
    last = int(rng.integers(min(first + 3, len(centres) - 1), len(centres)))
    top = float(centres[first, 2] + rng.uniform(10, 45))
    bottom = float(centres[last, 2] - rng.uniform(10, 60))
    top, bottom = min(top, source.bounds[1, 2] - 4), max(bottom, source.bounds[0, 2] + 4)
    inside = centres[first : last + 1, 1]
    height = top - bottom
    spread = float(np.ptp(inside))
    width = max(height * rng.uniform(0.35, 0.7), spread + rng.uniform(80, 120))
    x = float(inside.mean() + rng.uniform(-0.3, 0.4) * max((width - spread) / 2 - 35, 1.0))
    pixel = float(rng.uniform(0.4, 0.6))
    centre = np.array([x, -(top + bottom) / 2])
    detector = 1000 * rng.uniform(0.18, 0.32)
    return Camera(
        source_mm=1000 * rng.uniform(0.95, 1.8) - detector,
        detector_mm=detector,
        central=centre + rng.uniform(-1, 1, 2) * [0.2 * width, 0.12 * height],
        centre=centre,
        roll=float(np.deg2rad(rng.normal(0, 4.0))),
        pixel_mm=pixel,
        shape=(max(round(height / pixel), 64), max(round(width / pixel), 64)),
    )


def _attenuation(source: CtSource, deformation: Deformation, camera: Camera) -> Map:
    """(rows, columns) line integrals, one sagittal layer of the patient after the other."""
    rows, columns = camera.shape
    half = np.array([columns, rows]) * camera.pixel_mm * 0.62 + 20
    low = np.array([source.bounds[0, 0], camera.centre[0] - half[0], -camera.centre[1] - half[1]])
    high = np.array([source.bounds[1, 0], camera.centre[0] + half[0], -camera.centre[1] + half[1]])
    low, high = np.maximum(low, source.bounds[0]), np.minimum(high, source.bounds[1])
    grid = Grid.over(low, high, np.array(_STEP))
    layers = _density(deformed_voxels(source, deformation, grid))
    total = np.zeros((rows, columns), np.float32)
    for k, z in enumerate(grid.coordinates(0)):
        # rows of the picture of a layer run down: up is turned over
        picture = np.ascontiguousarray(layers[k].T[::-1])
        top = grid.coordinates(2)[-1]
        matrix = _to_layer(camera, float(z), float(grid.low[1]), float(top))
        total += cv2.warpAffine(
            picture, matrix, (columns, rows), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        )
    return total * np.float32(_STEP[0])


def _density(hounsfield: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Attenuation per mm; dense bone counts for more than its Hounsfield units, as at 70 kV."""
    water = np.maximum(hounsfield + 1000, 0) / 1000
    bone = np.maximum(hounsfield - 150, 0) / 1000
    out: npt.NDArray[np.float32] = (_WATER * (water + _BONE * bone)).astype(np.float32)
    return out


def _to_layer(camera: Camera, z: float, first_front: float, top: float) -> FloatArray:
    """(2, 3) map from pixels of the film to those of a sagittal layer (front, down)."""
    rows, columns = camera.shape
    grow = (camera.source_mm + z) / camera.source_mm
    c, s = np.cos(camera.roll), np.sin(camera.roll)
    turn = np.array([[c, s], [-s, c]]) * camera.pixel_mm
    # film -> plane z = 0 -> plane z -> pixels of the layer, which starts at its front and top
    linear = grow * turn
    middle = np.array([(columns - 1) / 2, (rows - 1) / 2])
    shift = camera.central + grow * (camera.centre - camera.central) - linear @ middle
    matrix = np.column_stack([linear, shift - [first_front, -top]])
    matrix[0] /= _STEP[1]
    matrix[1] /= _STEP[2]
    return matrix
