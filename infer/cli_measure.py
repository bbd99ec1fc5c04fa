"""``endplate measure``: measurements from given landmarks, without a network."""

import hashlib
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from endplate.errors import GeometryError, InputError, UnknownName
from endplate.geometry.calibration import UNCALIBRATED, Calibration
from endplate.geometry.levels import check_level
from endplate.geometry.measure import measure
from endplate.infer.terminal import explain, print_json, show
from endplate.reports.table import reading_table
from endplate.study.reading import Quality, Reader, Reading, Reason, Source

if TYPE_CHECKING:
    from endplate.datasets.film_annotation import FilmAnnotation

__all__ = ["measure_file", "reading_of"]

_DOUBTFUL: Final = Reason(
    "levels_doubtful", "The annotation says that the level names may be off by one."
)
#: Names of readings are made from the annotation file, so that they do not change by the run.
_NAMESPACE: Final = uuid.UUID("b1a5a1f4-5b0c-5e0e-9c43-6f4c7a0d3c11")


def measure_file(
    path: Path,
    *,
    json_target: str | None = None,
    spacing_mm: tuple[float, float] | None = None,
    index_level: str | None = None,
    image: str | None = None,
    debug: bool = False,
) -> int:
    """Measure the films of an annotation file.

    Parameters
    ----------
    path : Path
        COCO keypoints in one of the forms of `endplate.datasets.coco`.
    json_target : str, optional
        ``-`` prints JSON instead of tables, a file name writes it there besides them.
    spacing_mm : (row, column), optional
        Wins over the spacing in the file.
    index_level : str, optional
        The injured level.
    image : str, optional
        File name of the one film to measure, with or without its folder.

    Returns
    -------
    int
        0, or 1 if some films could not be measured, or 2 if none could.

    Raises
    ------
    EndplateError
        If the file breaks its format or `image` is not in it.
    """
    from endplate.datasets.coco import read_annotations

    if index_level is not None:
        check_level(index_level)
    films = _chosen(read_annotations(path), image, path.name)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    readings, failures = [], 0
    for film in films:
        try:
            reading = reading_of(film, path.name, sha256, spacing_mm, index_level)
        except GeometryError as error:
            failures += 1
            explain(type(error)(f"{path.name}: {film.file_name}: {error}"), "", debug)
            continue
        readings.append(reading)
        if json_target != "-":
            show(reading_table(reading, index_level), "")
    if json_target is not None and readings:
        print_json(json_target, readings, one=len(films) == 1)
    if failures:
        return 1 if readings else 2
    return 0


def reading_of(
    film: "FilmAnnotation",
    file_name: str,
    sha256: str,
    spacing_mm: tuple[float, float] | None = None,
    index_level: str | None = None,
) -> Reading:
    """The reading that an annotated film amounts to.

    `file_name` and `sha256` are those of the annotation file, which stands for the reader.
    """
    calibration = UNCALIBRATED
    if spacing_mm is not None:
        calibration = Calibration(spacing_mm, "user")
    elif film.spacing_mm is not None:
        # The file does not say whether it means the spine or the detector.
        calibration = Calibration(film.spacing_mm, "unknown")
    doubtful = film.levels_doubtful
    return Reading(
        id=str(uuid.uuid5(_NAMESPACE, f"{sha256}/{film.file_name}")),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        reader=Reader("person", file_name, sha256=sha256),
        source=Source(
            path=film.file_name,
            sha256="",
            rows=film.height,
            columns=film.width,
            view=film.view,
            facing=film.facing,
        ),
        calibration=calibration,
        quality=Quality("flagged", (_DOUBTFUL,)) if doubtful else Quality("accepted"),
        vertebrae=film.vertebrae,
        measurements=measure(film.vertebrae, calibration, index_level=index_level),
    )


def _chosen(
    films: Sequence["FilmAnnotation"], image: str | None, where: str
) -> list["FilmAnnotation"]:
    """Films with landmarks, or the one that was asked for."""
    if image is None:
        marked = [film for film in films if film.vertebrae]
        if not marked:
            raise InputError(f"{where}: no film has a vertebra")
        return marked
    found = [f for f in films if image in (f.file_name, Path(f.file_name).name)]
    if len(found) > 1:
        raise InputError(f"{where}: several films are called {image}; give the folder too")
    if not found:
        names = [f.file_name for f in films]
        shown = names if len(names) <= 20 else [*names[:20], f"and {len(names) - 20} more"]
        raise UnknownName(f"image in {where}", image, shown)
    if not found[0].vertebrae:
        raise InputError(f"{where}: {image} has no vertebra")
    return found
