"""The overlay: what must be on it, and what must not."""

from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from endplate.errors import InputError
from endplate.geometry.calibration import UNCALIBRATED, Calibration
from endplate.geometry.landmarks import Vertebra
from endplate.reports.canvas import (
    AMBER,
    ORANGE,
    PINK,
    Canvas,
    Colour,
    Picture,
    text_size,
    wrap_text,
)
from endplate.reports.film_view import film_view
from endplate.reports.overlay import draw_overlay, encode_png
from endplate.reports.words import choose_index
from endplate.study.identity import without_identity
from endplate.study.reading import Quality, Reading, Reason

ACCEPTED = Quality("accepted")


@pytest.fixture(scope="module")
def film() -> npt.NDArray[np.uint8]:
    """A grey film of the size of the made-up reading."""
    return np.random.default_rng(0).integers(90, 110, (700, 500), dtype=np.uint8)


def count(picture: Picture, colour: Colour) -> int:
    """Pixels of nearly that colour."""
    return int((np.abs(picture.astype(int) - colour).max(axis=2) <= 6).sum())


def test_the_picture_has_the_film_a_panel_and_a_banner(
    film: npt.NDArray[np.uint8], reading: Reading
) -> None:
    before = film.copy()
    picture = draw_overlay(film, reading)
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3
    assert picture.shape[0] > 1600, "a flagged reading has a banner above the film"
    np.testing.assert_array_equal(film, before)
    for colour in (ORANGE, AMBER, PINK):
        assert count(picture, colour) > 300
    plain = draw_overlay(film, replace(reading, quality=ACCEPTED), panel=False)
    assert plain.shape == (1600, 1143, 3)


def test_a_rejected_reading_shows_no_numbers(film: npt.NDArray[np.uint8], reading: Reading) -> None:
    rejected = Quality("rejected", (Reason("not_lateral", "This is no lateral film."),))
    picture = draw_overlay(film, replace(reading, quality=rejected))
    assert count(picture, AMBER) == 0
    assert count(picture, PINK) == 0
    nothing = replace(reading, quality=rejected, vertebrae=(), measurements=())
    assert draw_overlay(film, nothing).shape[1] == picture.shape[1]


def test_nothing_of_the_identity_is_drawn(film: npt.NDArray[np.uint8], reading: Reading) -> None:
    np.testing.assert_array_equal(
        draw_overlay(film, reading), draw_overlay(film, without_identity(reading))
    )


def scale_bar(film: npt.NDArray[np.uint8], reading: Reading) -> Picture:
    return draw_overlay(film, replace(reading, quality=ACCEPTED), panel=False)[-70:, :600]


def test_a_scale_bar_only_with_a_calibration(film: npt.NDArray[np.uint8], reading: Reading) -> None:
    white = (245, 245, 245)
    assert count(scale_bar(film, reading), white) > 200
    assert count(scale_bar(film, replace(reading, calibration=UNCALIBRATED)), white) == 0
    calibrated = replace(reading, calibration=Calibration((0.3, 0.3), "user"))
    assert not np.array_equal(scale_bar(film, calibrated), scale_bar(film, reading)), (
        "millimetres of the detector are labelled"
    )


def test_any_grey_image_will_do(reading: Reading) -> None:
    for image in (
        np.zeros((700, 500), np.uint8),
        np.full((700, 500), 65535, np.uint16),
        np.full((700, 500), np.nan, np.float32),
    ):
        assert draw_overlay(image, reading, long_side=400).shape[2] == 3


def test_partly_seen_and_degenerate_bodies_are_drawn(
    film: npt.NDArray[np.uint8], reading: Reading
) -> None:
    gaps = np.full((6, 2), np.nan)
    gaps[0] = [1.0, 1.0]
    same = np.full((6, 2), 250.0)
    outside = np.array([[-900, -900], [0, 0], [900, 900], [5000, 5000], [0, 1], [1, 0]], float)
    bodies = tuple(
        Vertebra(level, points, np.eye(12))
        for level, points in (("T12", gaps), ("L1", same), ("L2", outside))
    )
    assert draw_overlay(film, replace(reading, vertebrae=bodies)).ndim == 3


def test_images_that_do_not_fit_are_refused(reading: Reading) -> None:
    with pytest.raises(InputError, match="700, 500"):
        draw_overlay(np.zeros((500, 700), np.uint8), reading)
    with pytest.raises(InputError, match="grey"):
        film_view(np.zeros((5, 5, 3), np.uint8), UNCALIBRATED, 100)


def test_pixels_are_made_square() -> None:
    view = film_view(np.zeros((100, 100), np.uint8), Calibration((0.4, 0.2), "user"), 200)
    assert view.picture.shape == (200, 100, 3)
    assert view.mm_per_pixel == pytest.approx(0.2)
    np.testing.assert_allclose(view.to_picture(np.array([0.0, 0.0])), [0.0, 0.5])
    small = film_view(np.zeros((10, 5), np.uint8), UNCALIBRATED, 1600)
    assert small.picture.shape == (40, 20, 3)


def test_the_index_level(reading: Reading) -> None:
    def chosen(r: Reading, level: str | None = None) -> str | None:
        choice = choose_index(r, level)
        return None if choice is None else choice.level

    assert chosen(reading, "L2") == "L2"
    assert chosen(reading, "T4") == "L1", "not on the film; L1 holds cement"
    bare = replace(reading, vertebrae=tuple(replace(v, cement=False) for v in reading.vertebrae))
    assert chosen(bare) == "L1", "the largest vertebral kyphosis"
    assert chosen(replace(bare, measurements=())) is None


def test_png(film: npt.NDArray[np.uint8], reading: Reading) -> None:
    picture = draw_overlay(film, reading, long_side=300)
    data = np.frombuffer(encode_png(picture), np.uint8)
    np.testing.assert_array_equal(cv2.imdecode(data, cv2.IMREAD_COLOR), picture)


def test_text_is_wrapped() -> None:
    lines = wrap_text("a few words and a" + "n" * 80 + " end", 120, 14)
    assert all(text_size(line, 14)[0] <= 120 for line in lines)
    assert "".join(lines).replace(" ", "") == "afewwordsanda" + "n" * 80 + "end"
    assert wrap_text("", 100, 14) == []


def test_tags_stay_on_the_picture() -> None:
    canvas = Canvas(np.zeros((60, 120, 3), np.uint8))
    canvas.tag((-50.0, 500.0), "L1", (255, 255, 255))
    assert count(canvas.picture, (255, 255, 255)) > 10


def test_a_film_of_inverted_contrast_is_shown_with_bright_bone(reading: Reading) -> None:
    dark_bone = np.full((700, 500), 200, np.uint8)
    dark_bone[300:400, 200:300] = 10
    inverted = Quality("flagged", (Reason("contrast_inverted", "Bone is dark on this film."),))
    picture = draw_overlay(dark_bone, replace(reading, quality=inverted, vertebrae=()), panel=False)
    assert picture[-100, 100].max() < 20
    usual = draw_overlay(dark_bone, replace(reading, vertebrae=()), panel=False)
    assert usual[-100, 100].min() > 180
