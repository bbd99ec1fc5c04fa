"""Windows on the whole film and on one vertebra."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from endplate.models.frames import body_frame, film_window, vertebra_window
from endplate.models.resample import apply_affine, invert_affine

from ..spine import body

CROP = 64


@settings(deadline=None, max_examples=60)
@given(st.integers(40, 6000), st.integers(40, 6000))
def test_the_whole_film_fits_its_window(rows, columns):
    to_film, (height, width) = film_window((rows, columns))
    assert height % 64 == 0
    assert width % 64 == 0
    # edges of pixels, half a pixel outside the centres, map to edges
    np.testing.assert_allclose(apply_affine(to_film, np.array([-0.5, -0.5])), [-0.5, -0.5])
    far = apply_affine(invert_affine(to_film), np.array([columns - 0.5, rows - 0.5]))
    assert far[0] <= width - 0.5 + 1e-6
    assert far[1] <= height - 0.5 + 1e-6
    # less than one multiple is left over on each side, unless the film is very narrow
    assert far[0] > width - 64 - 0.5 - 1e-6
    assert far[1] > height - 64 - 0.5 - 1e-6
    step = to_film[0, 0]
    assert step == to_film[1, 1]
    assert height * width * step**2 >= rows * columns * (1 - 1e-9)


def test_films_keep_their_aspect_and_size_is_bounded():
    to_film, size = film_window((3000, 1500))
    assert size == (576, 320)
    assert to_film[0, 1] == to_film[1, 0] == 0
    _, long = film_window((6000, 200))
    assert max(long) <= 576


def test_points_make_the_round_trip_through_the_window():
    to_film, _ = film_window((2713, 1141))
    points = np.random.default_rng(0).uniform(0, 2000, (50, 2))
    back = apply_affine(to_film, apply_affine(invert_affine(to_film), points))
    np.testing.assert_allclose(back, points, atol=1e-9)


def crop_of(points: np.ndarray, downward: tuple[float, float]) -> np.ndarray:
    """Where the points of a body lie in its crop."""
    centre, anterior, depth = body_frame(points)
    window = vertebra_window(
        centre, anterior, depth, downward=np.array(downward), crop=CROP, extent=1.8
    )
    return apply_affine(invert_affine(window), points)


@pytest.mark.parametrize("facing", ["left", "right"])
@pytest.mark.parametrize("tilt", [0.0, 25.0, -40.0])
def test_in_its_crop_a_body_is_upright_and_looks_left(facing, tilt):
    points = body((300, 200), 70, 55, tilt=tilt, facing=facing)
    angle = np.deg2rad(tilt)
    inside = crop_of(points, (-np.sin(angle), np.cos(angle)))
    upright = body((31.5, 31.5), CROP / 1.8, 55 / 70 * CROP / 1.8)
    np.testing.assert_allclose(inside, upright, atol=1e-9)


def test_a_mirrored_film_gives_the_same_crop():
    points = body((300, 200), 70, 55, tilt=13, wedge=12)
    mirrored = points * [-1, 1] + [799, 0]
    np.testing.assert_allclose(crop_of(points, (0, 1)), crop_of(mirrored, (0, 1)), atol=1e-9)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_turned_film_gives_the_same_crop(quarters):
    turn = np.linalg.matrix_power(np.array([[0.0, -1.0], [1.0, 0.0]]), quarters)
    points = body((300, 200), 70, 55, tilt=13, wedge=12)
    turned = points @ turn.T
    down = turn @ np.array([0.0, 1.0])
    np.testing.assert_allclose(crop_of(points, (0, 1)), crop_of(turned, tuple(down)), atol=1e-9)


def test_the_frame_of_a_body():
    centre, anterior, depth = body_frame(body((10, 20), 50, 40, tilt=30))
    np.testing.assert_allclose(centre, [10, 20], atol=1e-9)
    np.testing.assert_allclose(anterior, [-np.cos(np.pi / 6), -0.5], atol=1e-9)
    assert depth == pytest.approx(50)


def test_the_frame_of_the_sacrum_is_that_of_its_endplate():
    points = body((10, 20), 50, 40, tilt=30)
    points[3:] = np.nan
    centre, anterior, depth = body_frame(points)
    np.testing.assert_allclose(centre, points[[0, 2]].mean(axis=0))
    np.testing.assert_allclose(anterior, [-np.cos(np.pi / 6), -0.5], atol=1e-9)
    assert depth == pytest.approx(50)
    # its window is upright all the same: the endplate is level
    inside = crop_of(points, (0, 1))
    assert inside[0, 1] == pytest.approx(inside[2, 1])
    assert inside[0, 0] < inside[2, 0]


def test_a_body_without_an_endplate_has_no_frame():
    points = np.full((6, 2), np.nan)
    points[0] = [1, 2]
    centre, anterior, depth = body_frame(points)
    assert np.isnan(centre).all()
    assert np.isnan(anterior).all()
    assert np.isnan(depth)
