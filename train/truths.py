"""Annotated films to be judged by, with their pixels as the reader will see them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from endplate.datasets.coco import read_annotations
from endplate.datasets.film_annotation import FilmAnnotation
from endplate.datasets.splits import assign_folds
from endplate.errors import InputError
from endplate.train.accuracy import Truth
from endplate.train.data import FilmSet, subject_of

__all__ = ["Case", "load_cases"]

Case = tuple[Path, Truth | None, int]
"""Image file, annotation (None: a film to be rejected), fold."""


def load_cases(one: FilmSet, folds: int) -> list[Case]:
    """Films of one set, with the fold of their subject.

    Raises
    ------
    InputError
        If a file or folder is missing, or two films of the set have one name.
    """
    if not one.annotations:
        return _negatives(one, folds)
    films = _annotated(one)
    exact = {f.file_name: f for f in read_annotations(Path(one.exact))} if one.exact else {}
    where = assign_folds((f.subject for _, f in films), folds)
    out: list[Case] = []
    for path, film in films:
        # points are judged on what was read exactly, and nowhere else
        better = exact.get(film.file_name) if one.exact else film
        others = film.attributes.get("other_bodies") or {}
        truth = Truth(
            film.file_name,
            one.name,
            film.vertebrae,
            {v.level: v for v in better.vertebrae} if better else {},
            tuple(
                np.array([[np.nan if c is None else c for c in xy] for xy in corners])
                for corners in others.values()
            ),
            film.levels_doubtful or (better is not None and better.levels_doubtful),
            str((better or film).attributes.get("quality", "")),
            bool(film.attributes.get("hardware", False)),
        )
        out.append((path, truth, where[film.subject]))
    return out


def _annotated(one: FilmSet) -> list[tuple[Path, FilmAnnotation]]:
    """Every annotated film of the set and of its further folders, each name once."""
    path = Path(one.annotations)
    sources = [(path, Path(one.images) if one.images else path.parent / "images")]
    sources += [(Path(folder) / "annotations.json", Path(folder) / "images") for folder in one.more]
    out: dict[str, tuple[Path, FilmAnnotation]] = {}
    for annotations, images in sources:
        for film in read_annotations(annotations):
            if film.file_name in out:
                raise InputError(
                    f"{annotations}: {film.file_name} is in dataset {one.name} already, as"
                    f" {out[film.file_name][0]}; results go by file name: rename one of them"
                )
            out[film.file_name] = (images / film.file_name, film)
    return list(out.values())


def _negatives(one: FilmSet, folds: int) -> list[Case]:
    folder = Path(one.images)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder (dataset {one.name}.images)")
    paths: Sequence[Path] = sorted(p for p in folder.iterdir() if p.is_file())
    where = assign_folds((subject_of(p) for p in paths), folds)
    return [(p, None, where[subject_of(p)]) for p in paths]
