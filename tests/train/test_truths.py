"""Annotated films to be judged by."""

import json
import shutil

import pytest

from endplate.errors import InputError
from endplate.train.data import FilmSet
from endplate.train.truths import load_cases


def set_of(folder, *more):
    return FilmSet("own", str(folder / "annotations.json"), more=[str(m) for m in more])


def renamed(film_set, to):
    """A copy of the films with other file names, of the same subjects."""
    shutil.copytree(film_set, to)
    made = json.loads((to / "annotations.json").read_text())
    for image in made["images"]:
        (to / "images" / image["file_name"]).rename(to / "images" / f"b{image['file_name']}")
        image["file_name"] = f"b{image['file_name']}"
    (to / "annotations.json").write_text(json.dumps(made))
    return to


def test_films_of_further_folders_are_judged_too(film_set, tmp_path):
    other = renamed(film_set, tmp_path / "b")
    alone = load_cases(set_of(film_set), 5)
    cases = load_cases(set_of(film_set, other), 5)
    assert len(cases) == 2 * len(alone) > 0
    assert all(path.is_file() for path, _, _ in cases)
    names = {truth.name for _, truth, _ in cases if truth is not None}
    assert names == {p.name for p, _, _ in alone} | {f"b{p.name}" for p, _, _ in alone}


def test_a_subject_of_two_folders_is_in_one_fold(film_set, tmp_path):
    other = renamed(film_set, tmp_path / "b")
    fold_of = {path.name: fold for path, _, fold in load_cases(set_of(film_set, other), 5)}
    for name, fold in fold_of.items():
        if not name.startswith("b"):
            assert fold_of[f"b{name}"] == fold


def test_two_films_of_one_name_are_refused(film_set, tmp_path):
    shutil.copytree(film_set, tmp_path / "b")
    with pytest.raises(InputError, match=r"is in dataset own already, as .*rename one of them"):
        load_cases(set_of(film_set, tmp_path / "b"), 5)
