"""Random changes of windows stay within bounds and depend on nothing but their generator."""

import numpy as np
import pytest

from endplate.train import augment
from endplate.train.augment import AugmentConfig, GreyAugmenter, random_affine

OVERLAYS = ("_grid", "_bars", "_screws", "_patch", "_collimate", "_band")


def window(rows: int = 96, columns: int = 64) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.gamma(2.0, 300.0, (rows, columns)).astype(np.float32)


def test_the_same_generator_gives_the_same_window():
    config = AugmentConfig(grey=1, overlay=1, noise=1, blur=1, sharpen=1)
    one, two = GreyAugmenter(config), GreyAugmenter(config)
    for seed in range(4):
        first = one(window(), np.random.default_rng(seed))
        # what the augmenter did before does not matter
        two(window(), np.random.default_rng(99 + seed))
        np.testing.assert_array_equal(two(window(), np.random.default_rng(seed)), first)
    assert (one(window(), np.random.default_rng(5)) != first).any()


def test_everything_at_once_stays_finite_and_keeps_the_input():
    config = AugmentConfig(grey=1, overlay=1, noise=1, blur=1, sharpen=1)
    change = GreyAugmenter(config)
    before = window()
    kept = before.copy()
    for seed in range(12):
        out = change(before, np.random.default_rng(seed))
        assert out.shape == before.shape
        assert out.dtype == np.float32
        assert np.isfinite(out).all()
    np.testing.assert_array_equal(before, kept)


@pytest.mark.parametrize("value", [0.0, 800.0])
def test_constant_windows_are_survived(value):
    config = AugmentConfig(grey=1, overlay=0, noise=1)
    out = GreyAugmenter(config)(np.full((64, 64), value, np.float32), np.random.default_rng(0))
    assert np.isfinite(out).all()


def test_nothing_changes_when_all_is_switched_off(still):
    out = GreyAugmenter(still)(window(), np.random.default_rng(0))
    image = window()
    np.testing.assert_allclose(out, (image - image.min()) / (image.max() - image.min()), atol=1e-6)


@pytest.mark.parametrize("name", OVERLAYS)
@pytest.mark.parametrize("shape", [(64, 64), (512, 256), (128, 128)])
def test_overlays_draw_on_every_size(name, shape):
    changed = 0
    for seed in range(6):
        image = np.full(shape, 0.5, np.float32)
        getattr(augment, name)(image, np.random.default_rng(seed))
        assert np.isfinite(image).all()
        assert image.min() > -1
        assert image.max() < 2
        changed += bool((image != 0.5).any())
    assert changed >= 4


def test_random_affines_never_mirror_and_stay_near_one():
    config = AugmentConfig()
    for seed in range(200):
        matrix = random_affine(config, np.random.default_rng(seed))
        assert 0.5 < np.linalg.det(matrix) < 2.0
        angle = np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0]))
        assert abs(angle) <= 2.5 * config.rotation + 1e-9
    quiet = AugmentConfig(rotation=0, scale=0, aspect=0, shear=0)
    np.testing.assert_array_equal(random_affine(quiet, np.random.default_rng(0)), np.eye(2))
