"""Writing annotated films as COCO keypoints in the six-point form."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from endplate.datasets.film import AnnotatedFilm
from endplate.datasets.film_annotation import FilmAnnotation
from endplate.errors import AnnotationError
from endplate.geometry.landmarks import Vertebra
from endplate.geometry.levels import POINTS

__all__ = ["join_annotations", "write_annotations"]


def write_annotations(path: str | Path, films: Iterable[FilmAnnotation | AnnotatedFilm]) -> None:
    """Write films in the six-point form (the pixels of `AnnotatedFilm` are not written).

    Points are rounded to 0.001 pixel; missing points have visibility 0. Covariances and
    confidences belong to readings and are not written.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, film in enumerate(films, start=1):
        images.append(_image_entry(image_id, film))
        for vertebra in film.vertebrae:
            annotations.append(_annotation_entry(len(annotations) + 1, image_id, vertebra))
    _write(path, images, annotations)


def join_annotations(path: str | Path, parts: Sequence[str | Path]) -> None:
    """Write one file from several of `write_annotations`, the same as if it had been written at
    once; images and annotations are numbered anew.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for part in parts:
        document = json.loads(Path(part).read_text(encoding="utf-8"))
        numbers = {}
        for image in document["images"]:
            numbers[image["id"]] = len(images) + 1
            images.append(image | {"id": len(images) + 1})
        for entry in document["annotations"]:
            new = {"id": len(annotations) + 1, "image_id": numbers[entry["image_id"]]}
            annotations.append(entry | new)
    _write(path, images, annotations)


def _write(
    path: str | Path, images: list[dict[str, Any]], annotations: list[dict[str, Any]]
) -> None:
    skeleton = [[i + 1, (i + 1) % 6 + 1] for i in range(6)]
    document = {
        "info": {"description": "Vertebral six-point morphometry", "version": "1"},
        "categories": [
            {"id": 1, "name": "vertebra", "keypoints": list(POINTS), "skeleton": skeleton}
        ],
        "images": images,
        "annotations": annotations,
    }
    try:
        text = json.dumps(document, allow_nan=False, ensure_ascii=False, default=_plain)
    except (TypeError, ValueError) as error:
        raise AnnotationError(f"{path}: an attribute cannot be written: {error}") from error
    Path(path).write_text(text + "\n", encoding="utf-8")


def _plain(value: object) -> object:
    """NumPy values in `attributes` as what JSON knows."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is no JSON value")


def _image_entry(image_id: int, film: FilmAnnotation | AnnotatedFilm) -> dict[str, Any]:
    if isinstance(film, AnnotatedFilm):
        name, (height, width) = film.name, film.image.shape
    else:
        name, height, width = film.file_name, film.height, film.width
    attributes = dict(film.attributes)
    optional = {"facing": film.facing, "spacing_mm": film.spacing_mm}
    attributes |= {key: value for key, value in optional.items() if value is not None}
    attributes |= {"levels_doubtful": film.levels_doubtful, "complete": film.complete}
    attributes |= {"view": film.view, "subject": film.subject or name}
    size = {"width": int(width), "height": int(height)}
    return {"id": image_id, "file_name": name, **size, "attributes": attributes}


def _annotation_entry(annotation_id: int, image_id: int, vertebra: Vertebra) -> dict[str, Any]:
    seen = np.isfinite(vertebra.points[:, 0])
    if not seen.any():
        raise AnnotationError(f"{vertebra.level} has no point: leave it out of the file")
    keypoints: list[float] = []
    for (x, y), visible in zip(vertebra.points, seen, strict=True):
        keypoints += [round(float(x), 3), round(float(y), 3), 2] if visible else [0.0, 0.0, 0]
    low, high = vertebra.points[seen].min(axis=0), vertebra.points[seen].max(axis=0)
    width, height = (round(float(v), 3) for v in high - low)
    attributes: dict[str, Any] = {"level": vertebra.level}
    attributes |= {k: True for k in ("hardware", "cement") if getattr(vertebra, k)}
    return {
        "id": annotation_id,
        "image_id": image_id,
        "category_id": 1,
        "keypoints": keypoints,
        "num_keypoints": int(seen.sum()),
        "bbox": [round(float(low[0]), 3), round(float(low[1]), 3), width, height],
        "area": round(width * height, 3),
        "iscrowd": 0,
        "attributes": attributes,
    }
