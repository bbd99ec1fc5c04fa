"""Curved mid-sagittal slabs of a deformed CT, cut as those that the networks are given."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from endplate.datasets.ct_simulator.deform import Deformation
from endplate.datasets.ct_simulator.resample import Grid, deformed_voxels
from endplate.datasets.ct_simulator.source import CtSource
from endplate.datasets.film import AnnotatedFilm
from endplate.datasets.on_film import corner_list, sorted_out
from endplate.geometry.landmarks import FloatArray, Vertebra
from endplate.imaging.ct.curve import CentreLine, centre_line
from endplate.imaging.ct.slab import Slab, cut_slab
from endplate.imaging.ct.volume import Volume

__all__ = ["slab_film"]

#: Room around the centres: left, behind, before; mm.
_ROOM = (22.0, 90.0, 76.0)


def slab_film(
    rng: np.random.Generator, source: CtSource, deformation: Deformation, name: str
) -> AnnotatedFilm:
    """Cut a slab of random thickness, window and reach along a line that is a little off."""
    line = _line(rng, deformation)
    volume = _volume(rng, source, deformation, line)
    slab = cut_slab(
        volume,
        line,
        spacing=0.7,
        thickness=float(rng.uniform(4, 28)),
        before=float(rng.uniform(50, 70)),
        behind=float(rng.uniform(60, 80)),
        window=(float(rng.uniform(-900, -60)), float(rng.uniform(350, 900))),
    )
    image = slab.pixels.astype(np.float32)
    image *= 255 / max(float(image.max()), 1)
    image += rng.normal(0, rng.uniform(0, 6), image.shape).astype(np.float32)
    seen, cut = sorted_out(_landmarks(deformation, slab), image.shape)
    return AnnotatedFilm(
        image=np.clip(image, 0, 255).astype(np.uint8),
        vertebrae=seen,
        name=f"{name}.png",
        subject=source.name,
        view="lateral",
        facing="right",
        spacing_mm=(slab.spacing, slab.spacing),
        attributes=_attributes(deformation, cut),
    )


def _line(rng: np.random.Generator, deformation: Deformation) -> CentreLine:
    """The line through the deformed bodies, with the errors of one that was searched for."""
    own = [i for i, level in enumerate(deformation.levels) if level != "S1"]
    n = len(own)
    wave = np.sin(np.linspace(0, rng.uniform(1, 6), n) + rng.uniform(0, 6))
    centres = deformation.centres[own] + rng.normal(0, 0.7, (n, 3))
    centres[:, 0] += rng.normal(0, 1.5) + rng.normal(0, 1.5) * wave
    turns = np.deg2rad(rng.normal(0, 3) + rng.normal(0, 2) * wave)
    fronts = []
    for i, turn in zip(own, turns, strict=True):
        front, left = deformation.axes_of(i)[1], deformation.axes_of(i)[0]
        fronts.append(np.cos(turn) * front + np.sin(turn) * left)
    low = (50.0, 80.0) if "S1" in deformation.levels else (5.0, 35.0)
    reach = (float(rng.uniform(5, 35)), float(rng.uniform(*low)))
    # local axes are taken as the patient's: left, back and head of LPS are -front and up here
    return centre_line([_lps(c) for c in centres], [_lps(f) for f in fronts], reach)


def _lps(local: FloatArray) -> FloatArray:
    """Left, front, up to left, back, head."""
    out: FloatArray = local * np.array([1.0, -1.0, 1.0])
    return out


def _volume(
    rng: np.random.Generator, source: CtSource, deformation: Deformation, line: CentreLine
) -> Volume:
    """The deformed column with some of its surroundings; values outside the CT are air."""
    centres = deformation.centres
    low = centres.min(axis=0) - np.array([_ROOM[0], _ROOM[1], 90.0])
    high = centres.max(axis=0) + np.array([_ROOM[0], _ROOM[2], 60.0])
    along = float(rng.choice([1.0, 1.0, 1.25, 2.0, 3.0]))
    grid = Grid.over(low, high, np.array([2.0, 0.8, along]))
    voxels = deformed_voxels(source, deformation, grid)
    # rows run to the back and slices to the head, as LPS has it
    turned = np.ascontiguousarray(voxels[:, ::-1].transpose(2, 1, 0))
    affine = np.diag([grid.step[0], grid.step[1], grid.step[2], 1.0])
    first = np.array([grid.low[0], grid.coordinates(1)[-1], grid.low[2]])
    affine[:3, 3] = _lps(first)
    return Volume(np.rint(turned).astype(np.int16), affine, source.ct.provenance)


def _landmarks(deformation: Deformation, slab: Slab) -> list[Vertebra]:
    """All bodies, in pixels of the slab."""
    out = []
    for i, level in enumerate(deformation.levels):
        places = deformation.forward(deformation.bodies[i].points, i)
        points = slab.to_pixels(_lps(np.nan_to_num(places)))
        points[np.isnan(places).any(axis=1)] = np.nan
        out.append(Vertebra(level, points))
    return out


def _attributes(deformation: Deformation, cut: Sequence[Vertebra]) -> dict[str, Any]:
    broken = deformation.fracture
    fractures = [] if broken is None else [broken.record()]
    return {
        "simulated": True,
        "source": "ct",
        "modality": "ct_slab",
        "position": "recumbent",
        "fractures": fractures,
        "cut_bodies": {v.level: corner_list(v.points) for v in cut},
    }
