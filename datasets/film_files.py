"""Simulated films as files: what is the same whatever made them."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import cv2

from endplate.datasets.film import AnnotatedFilm
from endplate.datasets.film_annotation import FilmAnnotation

__all__ = ["annotation_of", "each", "write_image"]

_Item = TypeVar("_Item")
_Out = TypeVar("_Out")


def each(
    one: Callable[[_Item], _Out], items: Sequence[_Item], workers: int, chunk: int = 1
) -> Iterator[_Out]:
    """`one` of every item, in order, in `workers` processes that take `chunk` items at a time.

    With more than one worker, `one` and the items must be such as can be pickled.
    """
    if workers <= 1:
        yield from map(one, items)
        return
    # processes that are forked may hang: OpenCV has threads
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(one, items, chunksize=chunk)


def write_image(film: AnnotatedFilm, folder: Path) -> None:
    """Write the pixels as PNG, under the film's own name."""
    _, code = cv2.imencode(".png", film.image)
    (folder / film.name).write_bytes(code.tobytes())


def annotation_of(film: AnnotatedFilm) -> FilmAnnotation:
    """What is to stand in the annotation file."""
    rows, columns = film.image.shape
    return FilmAnnotation(
        file_name=film.name,
        width=columns,
        height=rows,
        vertebrae=film.vertebrae,
        facing=film.facing,
        spacing_mm=film.spacing_mm,
        complete=film.complete,
        view=film.view,
        subject=film.subject,
        attributes=film.attributes,
    )
