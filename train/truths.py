"""Annotated films to be judged by, with their pixels as the reader will see them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from endplate.datasets.coco import read_annotations
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
        If a file or folder is missing.
    """
    if not one.annotations:
        return _negatives(one, folds)
    path = Path(one.annotations)
    folder = Path(one.images) if one.images else path.parent / "images"
    films = read_annotations(path)
    exact = {f.file_name: f for f in read_annotations(Path(one.exact))} if one.exact else {}
    where = assign_folds((f.subject for f in films), folds)
    out: list[Case] = []
    for film in films:
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
        out.append((folder / film.file_name, truth, where[film.subject]))
    return out


def _negatives(one: FilmSet, folds: int) -> list[Case]:
    folder = Path(one.images)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder (dataset {one.name}.images)")
    paths: Sequence[Path] = sorted(p for p in folder.iterdir() if p.is_file())
    where = assign_folds((subject_of(p) for p in paths), folds)
    return [(p, None, where[subject_of(p)]) for p in paths]
