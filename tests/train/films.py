"""Small annotated films for the tests of training."""

from pathlib import Path

import cv2
import numpy as np

from endplate.datasets.coco import write_annotations
from endplate.datasets.film import AnnotatedFilm
from endplate.geometry.landmarks import FloatArray

from ..spine import column, film_of, painted_film

__all__ = ["SHAPE", "small_films", "write_set"]

SHAPE = (320, 208)
_LEVELS = ("T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5", "S1")


def small_films(count: int) -> list[AnnotatedFilm]:
    """Painted films of `count` subjects, facing left and right in turn."""
    films = []
    for i in range(count):
        facing = ("left", "right")[i % 2]
        bodies: dict[str, FloatArray] = column(
            _LEVELS, top=(104.0 + 3 * i, 34.0 - 2 * i), depth=32.0, facing=facing
        )
        image = painted_film(bodies, SHAPE, seed=i)
        films.append(
            film_of(image, bodies, name=f"film-{i}.png", subject=f"subject-{i}", facing=facing)
        )
    return films


def write_set(folder: Path, count: int) -> Path:
    """Write films as annotations.json and images/; returns the annotation file."""
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    films = small_films(count)
    for film in films:
        cv2.imwrite(str(images / film.name), np.asarray(film.image))
    write_annotations(folder / "annotations.json", films)
    return folder / "annotations.json"
