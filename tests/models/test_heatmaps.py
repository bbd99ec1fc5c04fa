"""Heat maps give back the place and the spread that they were made with."""

import numpy as np
import pytest

from endplate.models.heatmaps import STRIDE, decode_heatmaps

CELLS = 48


def gaussian(
    place: tuple[float, float], sigma: tuple[float, float] = (1.3, 1.3), turn: float = 0.0
) -> np.ndarray:
    """(h, w) logits of a Gaussian about a place in cells; `turn` in degrees."""
    y, x = np.mgrid[:CELLS, :CELLS].astype(np.float64)
    angle = np.deg2rad(turn)
    u = (x - place[0]) * np.cos(angle) + (y - place[1]) * np.sin(angle)
    v = -(x - place[0]) * np.sin(angle) + (y - place[1]) * np.cos(angle)
    return np.asarray(-(u**2) / (2 * sigma[0] ** 2) - v**2 / (2 * sigma[1] ** 2))


def logits(*maps: np.ndarray) -> np.ndarray:
    """(1, 6, h, w): these maps, then copies of the last."""
    filled = [*maps, *[maps[-1]] * (6 - len(maps))]
    return np.stack(filled)[None].astype(np.float32)


def pixels(cells: tuple[float, float]) -> np.ndarray:
    return np.array(cells) * STRIDE + (STRIDE - 1) / 2


@pytest.mark.parametrize("place", [(20.0, 31.0), (20.37, 30.81), (17.5, 22.5), (11.02, 40.49)])
@pytest.mark.parametrize("sigma", [0.9, 1.3, 2.0])
def test_places_are_exact_to_a_small_part_of_a_cell(place, sigma):
    points, spread, mass = decode_heatmaps(logits(gaussian(place, (sigma, sigma))))
    assert points.shape == (1, 6, 2)
    np.testing.assert_allclose(points[0, 0], pixels(place), atol=0.02 * STRIDE)
    np.testing.assert_allclose(spread[0, 0], np.eye(2) * sigma**2 * STRIDE**2, rtol=0.08, atol=0.02)
    assert mass[0, 0] > 0.98


def test_every_map_is_read_by_itself():
    places = [(8.25, 9.5), (30.0, 12.75), (40.5, 40.0), (12.0, 33.3), (24.1, 24.9), (9.0, 20.0)]
    single = logits(*(gaussian(p) for p in places))
    both = np.concatenate([single, single[:, ::-1]])
    points, _, _ = decode_heatmaps(both)
    expected = np.array([pixels(p) for p in places])
    np.testing.assert_allclose(points[0], expected, atol=0.05)
    np.testing.assert_allclose(points[1], expected[::-1], atol=0.05)


def test_two_peaks_have_little_mass_at_the_higher_one():
    high, low = gaussian((12.3, 12.0)), gaussian((36.0, 36.0))
    two = np.log(np.exp(high) + 0.9 * np.exp(low))
    points, _, mass = decode_heatmaps(logits(two))
    np.testing.assert_allclose(points[0, 0], pixels((12.3, 12.0)), atol=0.05)
    assert mass[0, 0] == pytest.approx(1 / 1.9, abs=0.02)


def test_a_flat_map_has_hardly_any_mass():
    _, _, mass = decode_heatmaps(logits(np.zeros((CELLS, CELLS))))
    assert mass.max() < 0.1


@pytest.mark.parametrize("turn", [0.0, 30.0, 90.0, 135.0])
def test_the_spread_is_turned_as_the_map_is(turn):
    _, spread, _ = decode_heatmaps(logits(gaussian((24.2, 23.7), (1.8, 0.8), turn)))
    angle = np.deg2rad(turn)
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-np.sin(angle), np.cos(angle)])
    covariance = spread[0, 0] / STRIDE**2
    assert along @ covariance @ along == pytest.approx(1.8**2, rel=0.05)
    assert across @ covariance @ across == pytest.approx(0.8**2, rel=0.05)
    assert along @ covariance @ across == pytest.approx(0.0, abs=0.05)
    assert covariance[0, 1] == covariance[1, 0]


def test_large_logits_do_not_overflow():
    points, _, mass = decode_heatmaps(logits(100 * gaussian((20.0, 20.0)) + 3000))
    assert np.isfinite(points).all()
    assert np.isfinite(mass).all()
