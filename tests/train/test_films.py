"""Films as the trainer wants them, and the sets of a run."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from endplate.datasets.coco import load_films
from endplate.datasets.coco_writer import write_annotations
from endplate.datasets.film import AnnotatedFilm
from endplate.datasets.splits import assign_folds
from endplate.errors import InputError
from endplate.geometry.landmarks import Vertebra
from endplate.geometry.levels import level_index
from endplate.train.data import FilmSet, load_sets, sha256_of
from endplate.train.films import CERVICAL, UNNAMED, merge_exact, to_train_film

from ..spine import body, column, film_of
from .films import small_films, write_set

IMAGE = np.zeros((400, 300), np.uint8)


def corners_of(centre: tuple[float, float]) -> list[list[float | None]]:
    return [list(p) for p in body(centre, 30, 24)[[0, 2, 3, 5]]]


def test_bodies_are_sorted_head_to_foot_and_named():
    bodies = column(("T12", "L1", "L2"), depth=40.0)
    upside = dict(reversed(bodies.items()))
    film = to_train_film(film_of(IMAGE, upside), "group")
    assert [b.level for b in film.bodies] == [level_index(x) for x in ("T12", "L1", "L2")]
    assert film.anchors.shape == (3, 3)
    np.testing.assert_allclose(film.anchors[0], [150, 80, 40], atol=1e-9)
    assert all(b.exact for b in film.bodies)
    assert film.group == "group"


def test_doubtful_names_are_not_learnt():
    film = AnnotatedFilm(IMAGE, (Vertebra("L1", body((90, 90))),), "a", "b", levels_doubtful=True)
    assert to_train_film(film, "g").bodies[0].level == UNNAMED


def test_bodies_above_c7_teach_bodies_but_no_level():
    film = film_of(
        IMAGE,
        column(("C7", "T1"), depth=30.0, top=(150, 200)),
        complete=False,
        other_bodies={"C6": corners_of((150, 160)), "C5": [[None, None]] * 4},
    )
    made = to_train_film(film, "g")
    assert [b.level for b in made.bodies] == [CERVICAL, 0, 1]
    assert not made.bodies[0].exact
    assert made.complete


def test_bodies_without_an_endplate_are_left_out():
    points = body((90, 90))
    points[[0, 5]] = np.nan
    assert to_train_film(film_of(IMAGE, {"L1": points}), "g").bodies == ()


def test_the_sacrum_is_told_by_its_missing_endplate():
    film = to_train_film(film_of(IMAGE, column(("L5", "S1"), depth=40.0)), "g")
    assert [b.is_sacrum for b in film.bodies] == [False, True]


def test_better_points_replace_coarse_ones_by_level():
    coarse = to_train_film(
        film_of(IMAGE, column(("T12", "L1", "L2"), depth=40.0)), "g", exact=False
    )
    better = column(("L1",), depth=44.0, top=(151.0, 121.0))
    merged = merge_exact(coarse, film_of(IMAGE, better))
    assert [b.exact for b in merged.bodies] == [False, True, False]
    np.testing.assert_array_equal(merged.bodies[1].points, better["L1"])
    assert merged.anchors[1, 2] == pytest.approx(44.0)


@pytest.fixture
def negatives(tmp_path):
    folder = tmp_path / "negatives"
    folder.mkdir()
    for i in range(3):
        cv2.imwrite(str(folder / f"n{i}.png"), np.full((40, 30), 9 * i, np.uint8))
    (folder / "notes.txt").write_text("no image")
    return FilmSet("frontal", images=str(folder), view="frontal", weight=0.5)


def test_weights_are_shared_by_the_films_of_a_set(film_set, negatives):
    lateral = FilmSet("lateral", str(film_set / "annotations.json"), weight=2.0)
    films, weights, checksums = load_sets([lateral, negatives], fold=None, folds=5)
    groups = [f.group for f in films]
    assert groups == ["lateral"] * 4 + ["frontal"] * 3
    assert sum(weights[:4]) == pytest.approx(2.0)
    assert sum(weights[4:]) == pytest.approx(0.5)
    assert checksums == {"lateral/annotations.json": sha256_of(film_set / "annotations.json")}
    assert films[5].view == "frontal"
    assert films[5].bodies == ()


def test_more_folders_count_among_the_films_of_a_set(film_set, tmp_path):
    write_set(tmp_path / "other", 3)
    one = FilmSet("lateral", str(film_set / "annotations.json"), more=[str(tmp_path / "other")])
    films, weights, checksums = load_sets([one], fold=None, folds=5)
    assert len(films) == 7
    assert weights == pytest.approx([1 / 7] * 7)
    assert set(checksums) == {"lateral/annotations.json", "lateral/other/annotations.json"}


@pytest.mark.parametrize("fold", [0, 1])
def test_a_fold_leaves_its_subjects_out(film_set, fold):
    one = FilmSet("lateral", str(film_set / "annotations.json"))
    trained = {f.subject for f in load_sets([one], fold=fold, folds=2)[0]}
    judged = {f.subject for f in load_sets([one], fold=fold, folds=2, held_out=True)[0]}
    assert not trained & judged
    assert trained | judged == {f.subject for f in small_films(4)}


def test_a_subject_of_two_sets_must_be_in_one_fold(film_set, tmp_path):
    """As slabs of three CTs and films of two of them."""
    one = FilmSet("slabs", str(film_set / "annotations.json"))
    where = assign_folds((f.subject for f in small_films(4)), 3)
    first = min(where, key=lambda s: where[s])
    films = [f for f in load_films(film_set / "annotations.json") if f.subject != first]
    write_annotations(tmp_path / "annotations.json", films)
    few = FilmSet("films", str(tmp_path / "annotations.json"), str(film_set / "images"))
    with pytest.raises(InputError, match="fold 1 of slabs but in fold 0 of films"):
        load_sets([one, few], fold=0, folds=3)
    assert len(load_sets([one, few], fold=None, folds=3)[0]) == 7
    assert load_sets([one, replace(few, held_out=False)], fold=0, folds=3)[0]


def test_sets_that_are_not_held_out_are_always_there(film_set):
    one = FilmSet("simulated", str(film_set / "annotations.json"), held_out=False)
    assert len(load_sets([one], fold=0, folds=2)[0]) == 4


def test_fewer_subjects_are_part_of_more_and_simulated_films_all_stay(film_set):
    one = FilmSet("lateral", str(film_set / "annotations.json"))
    two, three = (
        {f.subject for f in load_sets([one], fold=None, folds=2, subjects=n)[0]} for n in (2, 3)
    )
    assert (len(two), len(three)) == (2, 3)
    assert two < three
    simulated = replace(one, held_out=False)
    assert len(load_sets([simulated], fold=None, folds=2, subjects=1)[0]) == 4
    with pytest.raises(InputError, match="subjects=0"):
        load_sets([one], fold=None, folds=2, subjects=0)


def test_sets_that_do_not_exist_or_are_empty_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"no such folder \(dataset missing\.images\)"):
        load_sets([FilmSet("missing", images=str(tmp_path / "nowhere"))], fold=None, folds=5)
    with pytest.raises(InputError, match="no film to train on"):
        load_sets([], fold=None, folds=5)


def test_folds_are_balanced_deterministic_and_by_subject():
    subjects = [f"subject-{i // 3}" for i in range(99)]
    folds = assign_folds(subjects, 5)
    assert set(folds) == set(subjects)
    counts = np.bincount(list(folds.values()), minlength=5)
    assert counts.max() - counts.min() <= 1
    assert assign_folds(reversed(subjects), 5) == folds
    # dealt out at random, not in the order of the names
    assert [folds[f"subject-{i}"] for i in range(10)] != [i % 5 for i in range(10)]
    with pytest.raises(InputError, match="folds=1"):
        assign_folds(subjects, 1)
