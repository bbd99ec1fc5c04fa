"""Finding the column: windows, second look, films that lie, anchors of the user."""

import numpy as np
import pytest

from endplate.errors import InputError, UnknownName
from endplate.infer.find import Anchor, find_column
from endplate.models.naming import NamingConfig
from endplate.models.resample import ImagePyramid, apply_affine

from ..fakes import Finder
from ..spine import column

LEVELS = ("T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5", "S1")
SHAPE = (760, 340)


def spine(depth: float = 66.0):
    return column(LEVELS, top=(190.0, 70.0), depth=depth)


def film(shape: tuple[int, int] = SHAPE, grey: int = 0) -> ImagePyramid:
    return ImagePyramid(np.full(shape, grey, np.uint8))


def search(monkeypatch, pyramid, bodies, **options):
    finder = Finder(lambda _: bodies)
    finder.take_over(monkeypatch)
    return find_column(pyramid, None, NamingConfig(), **options), finder  # type: ignore[arg-type]


def test_the_column_of_a_standing_film(monkeypatch):
    found, _ = search(monkeypatch, film(), spine())
    assert found.column is not None
    assert found.column.levels == LEVELS
    assert (found.turned, found.inverted) == (0, False)
    assert found.downward.tolist() == [0, 1]
    assert found.scores.lateral == 0.98
    for candidate, points in zip(found.column.candidates, spine().values(), strict=True):
        seen = ~np.isnan(points)
        assert np.abs(candidate.points[seen] - points[seen]).max() < 0.2


def test_small_bodies_get_a_second_look(monkeypatch):
    # bodies of 66 pixels on a film of three thousand rows are tiny in the first window
    found, finder = search(monkeypatch, film((3000, 1500)), spine())
    assert len(finder.windows) == 3  # as stored, inverted, closer
    first, second = finder.windows[0][0], finder.windows[-1][0]
    assert second[0, 0] < 0.5 * first[0, 0]
    assert 66 / second[0, 0] == pytest.approx(38, rel=0.15)
    assert found.column is not None
    assert found.column.levels == LEVELS


def test_large_bodies_are_looked_at_again_through_the_same_window(monkeypatch):
    _, finder = search(monkeypatch, film(), spine())
    assert len(finder.windows) == 3
    np.testing.assert_array_equal(finder.windows[-1][0], finder.windows[0][0])


def test_the_second_window_shows_the_whole_column(monkeypatch):
    bodies = spine()
    _, finder = search(monkeypatch, film((3000, 1500)), bodies)
    to_film, (rows, columns) = finder.windows[-1]
    assert rows % 64 == columns % 64 == 0
    corners = apply_affine(to_film, np.array([[0.0, 0.0], [columns - 1.0, rows - 1.0]]))
    centres = np.array([np.nanmean(p, axis=0) for p in bodies.values()])
    assert (corners[0] < centres.min(axis=0) - 20).all()
    assert (corners[1] > centres.max(axis=0) + 20).all()


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_films_that_lie_are_read_turned(monkeypatch, quarters):
    height, width = SHAPE
    turned = {}
    for level, points in spine().items():
        moved, size = points, (width, height)
        for _ in range(quarters):  # clockwise, as seen
            moved = np.column_stack([size[1] - 1 - moved[:, 1], moved[:, 0]])
            size = (size[1], size[0])
        turned[level] = moved
    shape = SHAPE if quarters == 2 else SHAPE[::-1]
    found, _ = search(monkeypatch, film(shape), turned)
    assert found.column is not None
    assert found.column.levels == LEVELS
    # to stand again, the film must be turned on to a full turn
    assert found.turned == 4 - quarters
    centres = np.array([np.nanmean(p, axis=0) for p in turned.values()])
    assert (np.diff(centres @ found.downward) > 0).all()
    for candidate, points in zip(found.column.candidates, turned.values(), strict=True):
        seen = ~np.isnan(points)
        assert np.abs(candidate.points[seen] - points[seen]).max() < 0.2


def test_inverted_films_are_read_the_other_way(monkeypatch):
    found, _ = search(monkeypatch, film(grey=255), spine())
    assert found.inverted
    assert found.turned == 0
    assert found.column is not None
    assert found.column.levels == LEVELS


def test_films_without_a_vertebra(monkeypatch):
    found, _ = search(monkeypatch, film(), {})
    assert found.column is None
    assert found.candidates == ()
    with pytest.raises(InputError, match=r"levels L1@\.\.\.: no vertebra was found"):
        search(monkeypatch, film(), {}, anchors=(Anchor("L1", 1, 2),))


def test_the_user_may_say_what_a_body_is(monkeypatch):
    x, y = spine()["L1"].mean(axis=0)
    found, _ = search(monkeypatch, film(), spine(), anchors=(Anchor("T12", x + 9, y - 9),))
    assert found.column is not None
    assert found.column.levels[LEVELS.index("L1")] == "T12"
    assert found.column.levels[LEVELS.index("T12")] == "T11"


def test_an_anchor_must_lie_on_a_vertebra(monkeypatch):
    with pytest.raises(InputError, match=r"levels L1@5,5: no vertebra was found there"):
        search(monkeypatch, film(), spine(), anchors=(Anchor("L1", 5, 5),))
    x, y = spine()["L5"].mean(axis=0)
    # the sacrum is where its endplate is, and nowhere else
    with pytest.raises(InputError, match="no vertebra was found there"):
        search(monkeypatch, film(), spine(), anchors=(Anchor("S1", x, y - 70),))


def test_anchors_are_written_level_at_place():
    assert Anchor.parse("L1@812,1440.5") == Anchor("L1", 812.0, 1440.5)
    assert Anchor.parse(" T12 @-3,4") == Anchor("T12", -3.0, 4.0)


@pytest.mark.parametrize("text", ["", "L1", "L1@", "L1@5", "L1@5;6", "@5,6,7"])
def test_other_anchors_are_refused(text):
    with pytest.raises((InputError, UnknownName)):
        Anchor.parse(text)


@pytest.mark.parametrize("text", ["L1@a,b", "L1@1,", "L1@nan,3", "L1@inf,3"])
def test_places_must_be_numbers(text):
    with pytest.raises(InputError, match="x and y must be numbers"):
        Anchor.parse(text)


def test_unknown_levels_list_the_levels():
    with pytest.raises(UnknownName, match="valid: C7, T1"):
        Anchor.parse("L9@1,2")
