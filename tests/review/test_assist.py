"""The networks place a body at a click, whatever the shape of the pixels."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from endplate.datasets.coco import load_films
from endplate.datasets.simulator.api import simulate_film
from endplate.errors import InputError
from endplate.geometry.calibration import Calibration
from endplate.imaging.radiograph import Radiograph
from endplate.infer.square import from_square, stretch_of, to_square
from endplate.review.assist import Assistant, body_at, level_at, refuse_twice

DOWN = np.array([0.0, 1.0])


@pytest.fixture(scope="module")
def helper():
    assistant = Assistant()
    if assistant.unavailable():
        pytest.skip("needs the shipped networks")
    return assistant


@pytest.fixture(scope="module")
def film():
    return simulate_film(3)


def radiograph(image, spacing, name):
    return Radiograph(image, Calibration(spacing, "detector"), name, name)


def test_a_body_is_placed_alike_on_pixels_that_are_not_square(helper, film):
    square = radiograph(film.image, (0.2, 0.2), "square")
    columns = round(film.image.shape[1] * 0.6)
    flat = cv2.resize(film.image, (columns, film.image.shape[0]), interpolation=cv2.INTER_AREA)
    width = 0.2 * film.image.shape[1] / columns
    oblong = radiograph(flat, (0.2, width), "oblong")
    stretch = stretch_of(oblong.calibration)
    assert stretch == pytest.approx([width / 0.2, 1.0])
    whole = [v for v in film.vertebrae if np.isfinite(v.points).all()]
    truth = whole[len(whole) // 2]
    rough = np.array(truth.points) + 0.08 * truth.depth_px
    there = helper.snap(square, rough, truth.level, DOWN)
    here = helper.snap(oblong, from_square(rough, stretch), truth.level, DOWN)
    apart = np.hypot(*(to_square(np.array(here.points), stretch) - there.points).T)
    assert apart.max() < 0.04 * truth.depth_px
    assert np.hypot(*(there.points - truth.points).T).max() < 0.12 * truth.depth_px
    widths = np.sqrt(np.diag(here.covariance)[::2] / np.diag(there.covariance)[::2])
    assert np.median(widths) == pytest.approx(1 / stretch[0], rel=0.25)


def test_an_inverted_film_is_read_as_one(helper, film):
    dark = radiograph(np.iinfo(film.image.dtype).max - film.image, (0.2, 0.2), "dark")
    whole = [v for v in film.vertebrae if np.isfinite(v.points).all()]
    truth = whole[len(whole) // 2]
    found = helper.snap(dark, np.array(truth.points), truth.level, DOWN, inverted=True)
    assert np.hypot(*(found.points - truth.points).T).max() < 0.12 * truth.depth_px


def test_a_click_beside_the_spine_finds_nothing(helper, film):
    plain = radiograph(film.image, (0.2, 0.2), "plain")
    rough, down = body_at(film.vertebrae, 3.0, 3.0, "T10", film.image.shape[0])
    with pytest.raises(InputError, match="by hand"):
        helper.snap(plain, rough, "T10", down)


def test_names_for_a_new_body(film):
    top = film.vertebrae[0]
    assert level_at((), 5.0) == "L1"
    assert level_at((top,), float(top.centre[1]) + 99.0) != top.level


def test_one_click_adds_each_body_of_real_films(helper, data_dir):
    folder = data_dir / "lumbar-laterals"
    films = load_films(folder / "annotations.json", folder / "images")
    tried = 0
    for shown in [f for f in films if len(f.vertebrae) > 4][:2]:
        picture = Radiograph(shown.image, Calibration(None, "none"), shown.name, shown.name)
        for body in [v for v in shown.vertebrae if np.isfinite(v.points).all()]:
            tried += 1
            others = [v for v in shown.vertebrae if v is not body]
            x, y = body.centre + 0.1 * body.depth_px
            rough, down = body_at(others, x, y, body.level, shown.image.shape[0])
            placed = helper.snap(picture, rough, body.level, down)
            refuse_twice(placed.centre, others)
            assert np.median(np.hypot(*(placed.points - body.points).T)) < 0.1 * body.depth_px
    assert tried > 6


def test_no_second_body_on_one_that_is_marked(film):
    body, other = film.vertebrae[1:3]
    refuse_twice(body.centre, [other])
    with pytest.raises(InputError, match=f"{body.level} is marked there already"):
        refuse_twice(other.centre, [replace(other, level=body.level)])
