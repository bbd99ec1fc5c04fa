"""The films of a run: which sets, which subjects, how often each is drawn."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from endplate.datasets.coco import load_films
from endplate.datasets.film import AnnotatedFilm
from endplate.datasets.splits import assign_folds, first_subjects
from endplate.errors import EndplateError, InputError
from endplate.train.films import TrainFilm, merge_exact, to_train_film

__all__ = ["FilmSet", "load_sets", "sha256_of", "subject_of"]

_ANNOTATIONS = "annotations.json"


@dataclass
class FilmSet:
    """One set of films.

    Parameters
    ----------
    name : str
        Group name, for reports and weights.
    annotations : str
        COCO file, or empty for a folder of negatives.
    images : str
        Folder of the images; empty: beside the annotations.
    exact : str
        COCO file whose six-point bodies replace those of `annotations`; empty: none.
    teaches_points : bool
        Whether the points of `annotations` are good enough for the refiner.
    view : str
        View of the films of a folder without annotations.
    weight : float
        Share of the samples drawn from this set, relative to the other sets.
    held_out : bool
        Whether this set is split by subject (simulated films are not: nobody is judged by them).
    more : list of str
        Folders as of `endplate simulate`, whose films count among those of this set.
    """

    name: str
    annotations: str = ""
    images: str = ""
    exact: str = ""
    teaches_points: bool = True
    view: str = "lateral"
    weight: float = 1.0
    held_out: bool = True
    more: list[str] = field(default_factory=list)


def load_sets(
    sets: Sequence[FilmSet],
    *,
    fold: int | None,
    folds: int,
    held_out: bool = False,
    subjects: int | None = None,
) -> tuple[list[TrainFilm], list[float], dict[str, str]]:
    """Load the films of all sets.

    Parameters
    ----------
    fold : int or None
        Subjects of this fold are left out, or, with `held_out`, are the only ones loaded. None
        loads all.
    subjects : int or None
        At most so many subjects of each set that is split by subject; None: all.

    Returns
    -------
    films : list of TrainFilm
    weights : list of float
        How often each is to be drawn.
    checksums : dict
        SHA-256 of every annotation file, by set and file name.

    Raises
    ------
    InputError
        If there is no film, or a subject of two sets lies in different folds of them.
    """
    films: list[TrainFilm] = []
    weights: list[float] = []
    checksums: dict[str, str] = {}
    dealt: dict[str, tuple[int, str]] = {}
    for one in sets:
        loaded = _load(one)
        if fold is not None and (one.held_out or held_out):
            where = assign_folds((f.subject for f in loaded), folds)
            if one.held_out:
                _check_dealt(dealt, where, one.name)
            loaded = [f for f in loaded if (where[f.subject] == fold) == held_out]
        if subjects is not None and one.held_out:
            kept = first_subjects((f.subject for f in loaded), subjects)
            loaded = [f for f in loaded if f.subject in kept]
        films += loaded
        weights += [one.weight / max(len(loaded), 1)] * len(loaded)
        for path in (one.annotations, one.exact):
            if path:
                checksums[f"{one.name}/{Path(path).name}"] = sha256_of(Path(path))
        for folder in one.more:
            annotations = Path(folder) / _ANNOTATIONS
            checksums[f"{one.name}/{annotations.parent.name}/{_ANNOTATIONS}"] = sha256_of(
                annotations
            )
    if not films:
        raise InputError("no film to train on: every set is empty; check dataset.* and fold")
    return films, weights, checksums


def _check_dealt(dealt: dict[str, tuple[int, str]], where: Mapping[str, int], group: str) -> None:
    """Note the folds of one set; a subject that is left out of one must be left out of all."""
    for subject, fold in where.items():
        before, other = dealt.setdefault(subject, (fold, group))
        if before != fold:
            raise InputError(
                f"subject {subject} is in fold {before} of {other} but in fold {fold} of {group}:"
                " it would be learnt from and judged by; make both sets of the same subjects"
            )


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _load(one: FilmSet) -> list[TrainFilm]:
    if not one.annotations:
        return [to_train_film(f, one.name, exact=False) for f in _load_folder(one)]
    images = Path(one.images) if one.images else None
    loaded = load_films(Path(one.annotations), images)
    for folder in one.more:
        loaded += load_films(Path(folder) / _ANNOTATIONS, Path(folder) / "images")
    films = [to_train_film(f, one.name, exact=one.teaches_points) for f in loaded]
    if not one.exact:
        return films
    better = {f.name: f for f in load_films(Path(one.exact), images)}
    return [merge_exact(f, better[f.name]) if f.name in better else f for f in films]


def _load_folder(one: FilmSet) -> list[AnnotatedFilm]:
    """Every image of a folder, as films without bodies."""
    folder = Path(one.images)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder (dataset {one.name}.images)")
    out = []
    for path in sorted(folder.iterdir()):
        if not path.is_file():
            continue
        image = _read_grey(path)
        if image is not None:
            out.append(
                AnnotatedFilm(image, (), path.name, subject_of(path), view=one.view)  # type: ignore[arg-type]
            )
    return out


def subject_of(path: Path) -> str:
    """Subject of a file without annotation: its name up to the first underscore."""
    return path.stem.partition("_")[0]


def _read_grey(path: Path) -> Any:
    """Grey pixels of a picture or a DICOM file; None where it cannot be read."""
    if path.suffix.lower() in (".png", ".jpg", ".jpeg", ".tif", ".tiff"):
        return cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_GRAYSCALE)
    from endplate.imaging.read import read_radiograph

    try:
        return read_radiograph(path).pixels
    except EndplateError:
        return None
