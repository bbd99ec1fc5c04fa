"""Readings of annotated films by others: a second person, another model, or earlier readings."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from endplate.datasets.coco import read_annotations
from endplate.errors import AnnotationError, InputError
from endplate.infer.cli_measure import reading_of
from endplate.infer.commands.inputs import load_readings
from endplate.study.reading import Reading
from endplate.train.data import sha256_of

__all__ = ["NETWORKS", "OtherReader", "load_reader"]

#: The value of ``reader`` that stands for networks, read by folds.
NETWORKS: Final = "networks"

OtherReader = Mapping[str, Reading]
"""Readings by the name of the film's file, without its folder."""


def load_reader(path: Path, reference: Path | None = None, least_score: float = 0.0) -> OtherReader:
    """Readings of one reader.

    Parameters
    ----------
    path : Path
        A COCO file (six points a body, or the whole-spine form), a COCO list of detections
        (``image_id``, ``category_id``, ``keypoints``, ``score``), or a folder of reading JSONs.
        Detections bear their level in ``attributes.level``, like annotations.
    reference : Path, optional
        The annotation file whose images and categories a list of detections refers to.
    least_score : float
        Annotations with a lower ``score`` are left out. Of several of one level on a film the
        one of highest score is taken.

    Raises
    ------
    InputError
        If there is nothing of that name, it holds no readings, or two of one film.
    AnnotationError
        If the file breaks the format.
    """
    if path.is_dir():
        readings = load_readings(path)
    elif path.is_file():
        readings = _from_coco(path, reference, least_score)
    else:
        raise InputError(f"reader={path}: no such file or folder (expected {NETWORKS} or a path)")
    out: dict[str, Reading] = {}
    for reading in readings:
        name = Path(reading.source.path).name
        if name in out:
            raise InputError(f"{path.name}: two readings of {name}; one reader has one of each")
        out[name] = reading
    if not out:
        raise InputError(f"{path.name}: holds no readings")
    return out


def _from_coco(path: Path, reference: Path | None, least_score: float) -> list[Reading]:
    try:
        raw = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise AnnotationError(f"{path.name}: no JSON file ({error})") from error
    if isinstance(raw, list):
        if reference is None:
            raise InputError(f"{path.name}: a list of detections needs the annotations it is of")
        raw = {**json.loads(reference.read_bytes()), "annotations": raw}
    if not isinstance(raw, dict) or "images" not in raw:
        raise AnnotationError(f"{path.name}: found no images; expected a COCO keypoint file")
    sha256 = sha256_of(path)
    with TemporaryDirectory() as folder:
        cleaned = Path(folder) / path.name
        cleaned.write_text(json.dumps({**raw, "annotations": _best(raw, path.name, least_score)}))
        films = read_annotations(cleaned)
    return [reading_of(film, path.name, sha256) for film in films if film.vertebrae]


def _best(raw: Mapping[str, Any], where: str, least_score: float) -> list[dict[str, Any]]:
    """Annotations of high enough score, the best of each level of a film."""
    best: dict[tuple[Any, Any], tuple[float, dict[str, Any]]] = {}
    single: list[dict[str, Any]] = []
    for i, annotation in enumerate(raw.get("annotations", ())):
        if not isinstance(annotation, dict):
            raise AnnotationError(f"{where}: annotation {i + 1} is no object")
        if "score" not in annotation:
            single.append(annotation)
            continue
        score = annotation["score"]
        if not isinstance(score, int | float) or not math.isfinite(score):
            raise AnnotationError(f"{where}: score of annotation {i + 1}: {score!r}, no number")
        if score < least_score:
            continue
        annotation = {**annotation, "id": i + 1, "keypoints": _seen(annotation.get("keypoints"))}
        key = annotation.get("image_id"), (annotation.get("attributes") or {}).get("level")
        if key not in best or score > best[key][0]:
            best[key] = float(score), annotation
    return [*single, *(annotation for _, annotation in best.values())]


def _seen(keypoints: Any) -> Any:
    """Keypoints with the visibilities 0 and 2: models write a confidence in their place."""
    if not isinstance(keypoints, list):
        return keypoints
    return [(2 if v else 0) if i % 3 == 2 else v for i, v in enumerate(keypoints)]
