"""Windows cut through the image pyramid lie where the affine map says."""

import numpy as np
import pytest

from endplate.geometry.landmarks import FloatArray
from endplate.models.resample import (
    ImagePyramid,
    apply_affine,
    detector_input,
    invert_affine,
    normalise,
)

SIZE = (96, 80)


def affine(
    scale: float, *, turn: float = 0.0, mirror: bool = False, centre: tuple[float, float]
) -> FloatArray:
    """Window of `SIZE` about a place of the film, at so many film pixels per pixel."""
    angle = np.deg2rad(turn)
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if mirror:
        linear = linear @ np.diag([-1.0, 1.0])
    middle = np.array([(SIZE[1] - 1) / 2, (SIZE[0] - 1) / 2])
    return np.column_stack([linear, np.array(centre) - linear @ middle])


def blob(shape: tuple[int, int], place: tuple[float, float], sigma: float) -> np.ndarray:
    y, x = np.mgrid[: shape[0], : shape[1]]
    out = np.exp(-((x - place[0]) ** 2 + (y - place[1]) ** 2) / (2 * sigma**2))
    return np.asarray(out, dtype=np.float32)


def centroid(window: np.ndarray) -> FloatArray:
    y, x = np.mgrid[: window.shape[0], : window.shape[1]]
    total = window.sum(dtype=np.float64)
    sums = [(window * axis).sum(dtype=np.float64) for axis in (x, y)]
    return np.array(sums, dtype=np.float64) / float(total)


@pytest.mark.parametrize("scale", [1.0, 1.5, 2.0, 3.7, 8.0])
@pytest.mark.parametrize(("turn", "mirror"), [(0.0, False), (33.0, False), (-70.0, True)])
def test_a_blob_lands_where_the_affine_says(scale, turn, mirror):
    # odd sides, so that halved levels lose a row and a column
    place = (331.3 * scale / 3, 402.7 * scale / 3)
    shape = (int(260 * scale) | 1, int(230 * scale) | 1)
    image = blob(shape, place, 4.0 * scale)
    window = affine(scale, turn=turn, mirror=mirror, centre=(place[0] + 3.1 * scale, place[1] - 5))
    expected = apply_affine(invert_affine(window), np.array(place))
    found = centroid(ImagePyramid(image).warp(window, SIZE, border=0.0))
    assert found == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("scale", [1.0, 2.0, 3.7, 8.0])
def test_halved_levels_stay_aligned_by_half_pixels(scale):
    # area means of a ramp are the ramp at the centres of the halved pixels, exactly
    h, w = 1001, 1203
    y, x = np.mgrid[:h, :w].astype(np.float32)
    ramp = np.asarray(0.5 * x + 0.25 * y, dtype=np.float32)
    window = affine(scale, turn=12.0, centre=(600.4, 500.2))
    grid = np.stack(np.meshgrid(np.arange(SIZE[1]), np.arange(SIZE[0])), axis=-1).astype(float)
    expected = apply_affine(window, grid) @ np.array([0.5, 0.25])
    found = ImagePyramid(ramp).warp(window, SIZE)
    # the sampler of OpenCV may round places to 1/32 of a pixel of the level
    assert np.abs(found - expected).max() < 0.75 * scale / 32


def test_full_size_windows_are_the_film_itself():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 65535, (150, 140), dtype=np.uint16)
    shift = np.array([[1.0, 0.0, 17.0], [0.0, 1.0, 31.0]])
    found = ImagePyramid(image).warp(shift, SIZE)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, image[31 : 31 + SIZE[0], 17 : 17 + SIZE[1]])


def test_the_pyramid_agrees_with_the_mean_over_the_pixels_it_covers():
    rng = np.random.default_rng(1)
    image = rng.normal(0, 1, (512, 480)).astype(np.float32)
    window = np.array([[4.0, 0.0, 1.5], [0.0, 4.0, 1.5]])
    found = ImagePyramid(image).warp(window, (128, 120))
    blocks = image.reshape(128, 4, 120, 4).mean(axis=(1, 3))
    np.testing.assert_allclose(found, blocks, atol=2e-5)


def test_outside_the_film_lies_the_border_value_or_the_edge():
    image = np.full((60, 60), 100, np.uint8)
    away = np.array([[1.0, 0.0, -500.0], [0.0, 1.0, -500.0]])
    assert (ImagePyramid(image).warp(away, SIZE, border=7.0) == 7.0).all()
    assert (ImagePyramid(image).warp(away, SIZE) == 100.0).all()


def test_small_films_are_not_halved_away():
    image = np.full((20, 16), 9, np.uint8)
    window = np.array([[8.0, 0.0, 0.0], [0.0, 8.0, 0.0]])
    assert (ImagePyramid(image).warp(window, (4, 4)) == 9.0).all()


def test_colour_images_are_refused():
    with pytest.raises(ValueError, match="two dimensions"):
        ImagePyramid(np.zeros((4, 4, 3), np.uint8))


def test_inverting_an_affine_undoes_it_and_keeps_nan():
    rng = np.random.default_rng(2)
    matrix = rng.normal(0, 1, (2, 3))
    points = rng.normal(0, 100, (7, 2))
    points[3] = np.nan
    back = apply_affine(invert_affine(matrix), apply_affine(matrix, points))
    np.testing.assert_allclose(back, points, atol=1e-8)


def texture(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.gamma(2.0, 30.0, (128, 96)).astype(np.float32)


def test_normalised_windows_have_mean_0_and_deviation_1():
    out = normalise(texture())
    assert out.dtype == np.float32
    assert abs(float(out.mean())) < 1e-4
    assert float(out.std()) == pytest.approx(1.0, abs=1e-4)


def test_a_few_wild_pixels_hardly_change_the_rest():
    image = texture()
    burnt = image.copy()
    burnt[5:8, 5:8] = 1e6
    changed = np.abs(normalise(burnt) - normalise(image))
    changed[5:8, 5:8] = 0
    assert changed.max() < 0.1


@pytest.mark.parametrize("prepare", [normalise, detector_input])
@pytest.mark.parametrize(("gain", "offset"), [(1 / 255, 0.0), (257.0, -3000.0), (0.5, 40.0)])
def test_gain_and_offset_of_a_film_do_not_matter(prepare, gain, offset):
    image = texture()
    np.testing.assert_allclose(prepare(image * gain + offset), prepare(image), atol=2e-3)


@pytest.mark.parametrize("prepare", [normalise, detector_input])
@pytest.mark.parametrize("value", [0.0, 17.0, 65535.0])
def test_constant_windows_become_zeros(prepare, value):
    out = prepare(np.full((64, 64), value, np.float32))
    assert np.isfinite(out).all()
    assert (out == 0).all()


def test_the_second_channel_is_contrast_whatever_the_brightness_around():
    rng = np.random.default_rng(3)
    dark = rng.normal(0, 1, (256, 256)).astype(np.float32)
    # the same texture, four times as strong on the right, on a bright ground
    image = dark.copy()
    image[:, 128:] = 4 * image[:, 128:] + 30
    left, right = (detector_input(image)[1][:, part] for part in (slice(20, 90), slice(170, 240)))
    assert right.std() == pytest.approx(left.std(), rel=0.1)
    assert detector_input(image).shape == (2, 256, 256)
    assert np.abs(detector_input(image)[1]).max() <= 4.0
