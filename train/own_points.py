"""Self-training: a refiner reads the coarsely annotated bodies of the films it was trained on."""

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from endplate.datasets.coco import read_annotations
from endplate.datasets.coco_writer import write_annotations
from endplate.datasets.film_annotation import FilmAnnotation
from endplate.datasets.splits import assign_folds
from endplate.geometry.landmarks import FloatArray, Vertebra
from endplate.geometry.levels import CORNERS
from endplate.imaging.read import read_radiograph
from endplate.infer.refine import refine
from endplate.infer.session import Network
from endplate.models.calibration import Calibrations
from endplate.models.resample import ImagePyramid
from endplate.train.data import FilmSet

__all__ = ["write_own_points"]

_DOWN: Final = np.array([0.0, 1.0])


def write_own_points(
    network: Network, one: FilmSet, fold: int | None, folds: int, out: Path
) -> tuple[int, int]:
    """Write six points of the named bodies of a set's films that are not of a fold.

    Those of `one.exact` as they are; those of all others that have four corners as the network
    reads them, starting from the coarse points. The file takes the place of `one.exact` in a run
    of the same fold.

    Parameters
    ----------
    network : Network
        A refiner that was trained without the films of the fold.
    one : FilmSet
        Coarse `annotations`, and `exact` ones of some of the bodies.
    fold : int or None
        Whose films are left out; None: no film is.

    Returns
    -------
    annotated, read : int
        Bodies as annotated, and as read by the network.
    """
    films = read_annotations(Path(one.annotations))
    exact = {f.file_name: f for f in read_annotations(Path(one.exact))} if one.exact else {}
    where = assign_folds((f.subject for f in films), folds)
    folder = Path(one.images) if one.images else Path(one.annotations).parent / "images"
    written: list[FilmAnnotation] = []
    counts = np.zeros(2, dtype=int)
    for film in films:
        if where[film.subject] == fold:
            continue
        known = exact[film.file_name].vertebrae if film.file_name in exact else ()
        named = {v.level for v in known}
        coarse = [v for v in film.vertebrae if v.level not in named and v.has(*CORNERS)]
        read = _read(network, folder / film.file_name, coarse)
        counts += len(known), len(read)
        written.append(replace(film, vertebrae=(*known, *read)))
    write_annotations(out, written)
    return int(counts[0]), int(counts[1])


def _read(network: Network, path: Path, bodies: list[Vertebra]) -> list[Vertebra]:
    if not bodies:
        return []
    pyramid = ImagePyramid(read_radiograph(path).pixels)
    starts = [_with_middles(v.points) for v in bodies]
    errors = Calibrations.uncalibrated().points
    seen = refine(pyramid, starts, network, errors, [_DOWN] * len(bodies))
    return [Vertebra(v.level, r.points) for v, r in zip(bodies, seen, strict=True)]


def _with_middles(points: FloatArray) -> FloatArray:
    """Points with the middles of the endplates halfway between their corners where they lack."""
    out = np.array(points)
    for middle, ends in ((1, [0, 2]), (4, [3, 5])):
        if np.isnan(out[middle]).any():
            out[middle] = out[ends].mean(axis=0)
    return out
