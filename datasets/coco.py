"""COCO keypoint files of annotated films, in two forms.

The *six-point form* has one annotation per vertebra, with the points of
`endplate.geometry.levels.POINTS` and the level in ``attributes.level``. The *whole-spine form*
has one annotation per film with up to 92 points named like ``T12TB``: level, Top or Bottom
endplate, Back or Front corner. Which form a file has is told by the keypoint names of its
categories, in whatever order they stand there.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Final, cast

import cv2
import numpy as np

from endplate.checked import Record
from endplate.datasets.coco_writer import write_annotations
from endplate.datasets.film import AnnotatedFilm, GreyImage
from endplate.datasets.film_annotation import Facing, FilmAnnotation, View
from endplate.errors import AnnotationError
from endplate.geometry.landmarks import FloatArray, Vertebra
from endplate.geometry.levels import LEVELS, POINTS, level_index

__all__ = ["FilmAnnotation", "load_films", "read_annotations", "write_annotations"]

_VIEWS: Final[tuple[View, ...]] = ("lateral", "frontal", "other")
_FACINGS: Final[tuple[Facing, ...]] = ("left", "right")
_ROW_OF_SUFFIX: Final = {
    "TF": POINTS.index("superior_anterior"),
    "TB": POINTS.index("superior_posterior"),
    "BB": POINTS.index("inferior_posterior"),
    "BF": POINTS.index("inferior_anterior"),
}
#: Bodies above C7: known to be bodies, but no level that is measured.
_OTHER_BODIES: Final = tuple(f"C{i}" for i in range(1, 7))
#: Attributes of an image that have a field of their own.
_OWN_ATTRIBUTES: Final = ("facing", "spacing_mm", "levels_doubtful", "complete", "view", "subject")


def read_annotations(path: str | Path) -> tuple[FilmAnnotation, ...]:
    """Read an annotation file of either form, without the images.

    Returns
    -------
    tuple of FilmAnnotation
        One for each image of the file, in its order; those without annotations have none.

    Raises
    ------
    AnnotationError
        If the file cannot be read, is no JSON, or breaks the format. The message names the
        file, the annotation or image, and the field.
    """
    path = Path(path)
    top = Record(_load_json(path), path.name, AnnotationError)
    names = _keypoint_names(top)
    images: dict[int | str, Record] = {}
    for image in top.records("images", "image"):
        key = image.identifier("id")
        if key in images:
            raise image.fail("id", key, "an id that no other image has")
        images[key] = image
    bodies: dict[int | str, dict[str, Vertebra]] = {key: {} for key in images}
    others: dict[int | str, dict[str, list[list[float | None]]]] = {key: {} for key in images}
    for annotation in top.records("annotations", "annotation"):
        category = annotation.identifier("category_id")
        if category not in names:
            raise annotation.fail("category_id", category, "the id of a category")
        if not names[category]:
            continue  # a box or a label of another program, no landmarks
        key = annotation.identifier("image_id")
        if key not in images:
            raise annotation.fail("image_id", key, "the id of an image of this file")
        for level, body in _read_bodies(annotation, names[category], images[key]).items():
            if level in bodies[key] or level in others[key]:
                raise AnnotationError(f"{annotation.where}: level {level} twice on one film")
            if isinstance(body, Vertebra):
                bodies[key][level] = body
            else:
                others[key][level] = body
    films = tuple(_film(images[k], bodies[k], others[k]) for k in images)
    _check_file_names(films, path.name)
    return films


def load_films(path: str | Path, image_dir: str | Path | None = None) -> list[AnnotatedFilm]:
    """Read an annotation file and its images.

    Parameters
    ----------
    path : path
        Annotation file of either form.
    image_dir : path, optional
        Folder of the images; by default ``images`` beside the file, or else its own folder.

    Raises
    ------
    AnnotationError
        As `read_annotations`, and if an image is missing, cannot be decoded or has another
        size than the file says.
    """
    path = Path(path)
    if image_dir is None:
        beside = path.parent / "images"
        image_dir = beside if beside.is_dir() else path.parent
    folder = Path(image_dir)
    return [_with_pixels(a, folder, path.name) for a in read_annotations(path)]


def _load_json(path: Path) -> object:
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise AnnotationError(f"{path.name}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise AnnotationError(f"{path.name}: no JSON file ({error})") from error


def _keypoint_names(top: Record) -> dict[int | str, tuple[str, ...]]:
    """Category id -> names of its keypoints, () for a category without any."""
    names: dict[int | str, tuple[str, ...]] = {}
    for category in top.records("categories", "category"):
        listed = tuple(str(x) for x in category.sequence("keypoints", default=()))
        if len(set(listed)) != len(listed):
            raise category.fail("keypoints", list(listed), "names that differ")
        unknown = [x for x in listed if x not in POINTS and _split_name(x) is None]
        if unknown:
            expected = "the six points of a body, or names like T12TB"
            raise category.fail("keypoints", unknown[0], expected)
        names[category.identifier("id")] = listed
    return names


def _split_name(name: str) -> tuple[str, int] | None:
    """Level and row of a whole-spine keypoint name, None if it is no such name."""
    level, suffix = name[:-2], name[-2:]
    if suffix not in _ROW_OF_SUFFIX or level not in (*LEVELS, *_OTHER_BODIES):
        return None
    return level, _ROW_OF_SUFFIX[suffix]


def _read_bodies(
    annotation: Record, names: tuple[str, ...], image: Record
) -> Mapping[str, Vertebra | list[list[float | None]]]:
    """Bodies of one annotation by level; those above C7 as lists of corners."""
    points = _read_points(annotation, names, (image.integer("width"), image.integer("height")))
    if names[0] in POINTS:
        attributes = annotation.record("attributes", default={})
        level = attributes.choice("level", LEVELS)
        vertebra = Vertebra(
            level,
            _as_six(points),
            hardware=attributes.boolean("hardware", default=False),
            cement=attributes.boolean("cement", default=False),
        )
        return {level: vertebra}
    by_level: dict[str, FloatArray] = {}
    for name, xy in points.items():
        split = _split_name(name)
        if split is None:
            raise annotation.fail("keypoints", name, "names of one form only")
        level, row = split
        by_level.setdefault(level, np.full((6, 2), np.nan))[row] = xy
    seen = {level: six for level, six in by_level.items() if not np.isnan(six).all()}
    return {
        level: Vertebra(level, six) if level in LEVELS else _corner_list(six)
        for level, six in seen.items()
    }


def _read_points(
    annotation: Record, names: Sequence[str], size: tuple[int, int]
) -> dict[str, tuple[float, float]]:
    """Keypoints by name; NaN where the visibility is 0."""
    flat = annotation.sequence("keypoints")
    if len(flat) != 3 * len(names):
        expected = f"{3 * len(names)} numbers (x, y, visibility of {len(names)} points)"
        raise annotation.fail("keypoints", f"{len(flat)} values", expected)
    points: dict[str, tuple[float, float]] = {}
    for i, name in enumerate(names):
        visibility = flat[3 * i + 2]
        if visibility not in (0, 1, 2):
            raise annotation.fail(f"keypoints of {name}", visibility, "visibility 0, 1 or 2")
        if visibility == 0:
            points[name] = (math.nan, math.nan)
            continue
        field_name = f"keypoints of {name}"
        x, y = (
            annotation.number(field_name, flat[3 * i + k], low=-size[k], high=2 * size[k])
            for k in (0, 1)
        )
        points[name] = (x, y)
    return points


def _as_six(points: Mapping[str, tuple[float, float]]) -> FloatArray:
    missing = (math.nan, math.nan)
    return np.array([points.get(name, missing) for name in POINTS])


def _corner_list(six: FloatArray) -> list[list[float | None]]:
    return [[None if math.isnan(v) else float(v) for v in six[i]] for i in (0, 2, 3, 5)]


def _film(
    image: Record,
    bodies: Mapping[str, Vertebra],
    others: Mapping[str, list[list[float | None]]],
) -> FilmAnnotation:
    attributes = image.record("attributes", default={})
    vertebrae = tuple(sorted(bodies.values(), key=lambda v: level_index(v.level)))
    extra = {k: v for k, v in attributes.values.items() if k not in _OWN_ATTRIBUTES}
    if others:
        extra["other_bodies"] = dict(others)
    if "type" in image.values:  # lumbar or sagittal, in the whole-spine films
        extra.setdefault("type", image.values["type"])
    file_name = image.relative_path("file_name")
    return FilmAnnotation(
        file_name=file_name,
        width=image.integer("width"),
        height=image.integer("height"),
        vertebrae=vertebrae,
        facing=attributes.choice("facing", _FACINGS, default=None) or _infer_facing(vertebrae),
        spacing_mm=attributes.spacing("spacing_mm"),
        levels_doubtful=attributes.boolean("levels_doubtful", default=False),
        complete=attributes.boolean("complete", default=False),
        view=attributes.choice("view", _VIEWS, default="lateral") or "lateral",
        subject=attributes.text("subject", default=file_name),
        attributes=extra,
    )


def _infer_facing(vertebrae: Sequence[Vertebra]) -> Facing | None:
    """Side of the anterior points, by the sum over all endplates that have both ends."""
    if not vertebrae:
        return None
    x = np.stack([v.points[:, 0] for v in vertebrae])
    towards_right = float(np.nansum(x[:, 0] - x[:, 2]) + np.nansum(x[:, 5] - x[:, 3]))
    if towards_right == 0.0:
        return None
    return "right" if towards_right > 0 else "left"


def _check_file_names(films: Sequence[FilmAnnotation], where: str) -> None:
    seen: set[str] = set()
    for film in films:
        if film.file_name in seen:
            raise AnnotationError(f"{where}: two images have the file_name {film.file_name!r}")
        seen.add(film.file_name)


def _with_pixels(annotation: FilmAnnotation, folder: Path, where: str) -> AnnotatedFilm:
    name = annotation.file_name
    image = _read_grey(folder.joinpath(*PurePosixPath(name).parts), where)
    if image.shape != (annotation.height, annotation.width):
        raise AnnotationError(
            f"{where}: {name} is {image.shape[1]} x {image.shape[0]} pixels, but the annotations"
            f" say {annotation.width} x {annotation.height}; the points would not fit"
        )
    return AnnotatedFilm(
        image=image,
        vertebrae=annotation.vertebrae,
        name=name,
        subject=annotation.subject or name,
        view=annotation.view,
        facing=annotation.facing,
        spacing_mm=annotation.spacing_mm,
        levels_doubtful=annotation.levels_doubtful,
        complete=annotation.complete,
        attributes=dict(annotation.attributes),
    )


def _read_grey(path: Path, where: str) -> GreyImage:
    """Grey pixels as stored: the EXIF orientation is not applied, points are in stored pixels."""
    try:
        data = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise AnnotationError(f"{where}: image {path.name}: {error.strerror}") from error
    flags = cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cv2.imdecode(data, flags) if data.size else None
    except cv2.error:
        image = None
    if image is None or image.dtype not in (np.uint8, np.uint16):
        raise AnnotationError(f"{where}: image {path.name} cannot be decoded")
    return cast(GreyImage, image)
