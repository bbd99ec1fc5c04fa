"""What the pixels of a film say: blank plates, exposure, noise, blur, grey levels, blocks."""

import cv2
import numpy as np
import pytest

from endplate.geometry.landmarks import Vertebra
from endplate.infer.filmlook import look_at

from ..spine import column

LEVELS = ("T12", "L1", "L2", "L3", "L4")


def spine() -> list[Vertebra]:
    return [Vertebra(k, p) for k, p in column(LEVELS, top=(200.0, 60.0), depth=90.0).items()]


def film(sigma: float = 1.2) -> np.ndarray:
    rng = np.random.default_rng(0)
    image = np.full((700, 400), 70.0)
    for v in spine():
        corners = np.round(v.points[[0, 2, 3, 5]]).astype(np.int32)
        cv2.fillPoly(image, [corners], 170)
    grain = cv2.GaussianBlur(rng.normal(0, 1, image.shape), (0, 0), 2)
    image = cv2.GaussianBlur(image, (0, 0), sigma) + 18 * grain + rng.normal(0, 1.5, image.shape)
    image[:10, :10] = 0
    image[-10:, -10:] = 255
    return np.clip(image, 0, 255).astype(np.uint8)


SOUND = look_at(film(), spine())


def test_a_sound_film():
    assert not SOUND.blank
    assert max(SOUND.burnt, SOUND.white) < 0.01
    assert SOUND.noise < 0.15
    assert SOUND.levels > 15
    assert SOUND.blocks < 1.3


@pytest.mark.parametrize("value", [0, 90, 255])
def test_an_even_plate_is_blank(value):
    assert look_at(np.full((600, 400), value, np.uint8), []).blank


@pytest.mark.parametrize("sigma", [2, 20])
@pytest.mark.parametrize("deep", [False, True])
def test_noise_alone_is_blank(sigma, deep):
    rng = np.random.default_rng(sigma)
    image = np.clip(rng.normal(128, sigma, (900, 640)), 0, 255)
    pixels = (image * 200).astype(np.uint16) if deep else image.astype(np.uint8)
    assert look_at(pixels, []).blank


def test_a_pale_film_is_not_blank():
    pale = (100 + film() // 40).astype(np.uint8)
    assert not look_at(pale, spine()).blank
    assert look_at(pale, spine()).levels < 10


def test_exposure_is_judged_on_the_bodies():
    image = film().astype(float)
    burnt = look_at(np.clip((image - 175) * 3, 0, 255).astype(np.uint8), spine())
    white = look_at(np.clip(image * 1.6, 0, 255).astype(np.uint8), spine())
    assert burnt.burnt > 0.5 > burnt.white
    assert white.white > 0.5 > white.burnt


def test_noise_and_blur_pull_apart():
    image = film().astype(float)
    grain = np.random.default_rng(1).normal(0, 40, image.shape)
    noisy = look_at(np.clip(image + grain, 0, 255).astype(np.uint8), spine())
    blurred = look_at(film(sigma=6.0), spine())
    assert noisy.noise > 3 * SOUND.noise
    assert blurred.sharpness < 0.7 * SOUND.sharpness


def test_compression_leaves_blocks():
    _, code = cv2.imencode(".jpg", film(), [cv2.IMWRITE_JPEG_QUALITY, 5])
    squeezed = np.asarray(cv2.imdecode(code, cv2.IMREAD_GRAYSCALE))
    assert look_at(squeezed, spine()).blocks > 1.5 * SOUND.blocks
    # cut anywhere: the blocks need not begin at the corner
    assert look_at(np.ascontiguousarray(squeezed[3:, 5:]), spine()).blocks > 1.5 * SOUND.blocks


def test_the_size_of_a_film_makes_no_difference():
    large = cv2.resize(film(), None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    bodies = [Vertebra(v.level, (v.points + 0.5) * 2 - 0.5) for v in spine()]
    look = look_at(np.asarray(large, dtype=np.uint8), bodies)
    assert look.sharpness == pytest.approx(SOUND.sharpness, rel=0.25)
    assert look.burnt == pytest.approx(SOUND.burnt, abs=0.02)


def test_without_bodies_only_blankness_is_told():
    look = look_at(film(), [])
    assert not look.blank
    assert np.isnan([look.burnt, look.white, look.noise, look.sharpness, look.levels]).all()
