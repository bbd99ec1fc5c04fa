"""The shipped gate on one image of each kind that can be made without data."""

from functools import cache

import numpy as np
import pytest

from endplate.datasets.gatebench.bones import OTHER_BONES, draw_bones
from endplate.datasets.gatebench.phantoms import PHANTOMS, draw_phantom
from endplate.datasets.simulator.api import simulate_film
from endplate.datasets.simulator.settings import SimulatorSettings
from endplate.geometry.calibration import UNCALIBRATED
from endplate.imaging.radiograph import Radiograph
from endplate.infer.pipeline import FilmReader
from endplate.study.reading import Quality

#: Drawn kinds that the gate lets through at times, see docs/accuracy/gate.md.
HARD = ("pile of blocks", "drawn chest")


@cache
def reader() -> FilmReader:
    return FilmReader()


def judge(pixels: np.ndarray) -> Quality:
    return reader().read(Radiograph(pixels, UNCALIBRATED, "image", "")).quality


@pytest.mark.parametrize("kind", [k for k in PHANTOMS if k not in HARD])
def test_images_without_a_patient_are_rejected(kind):
    assert judge(draw_phantom(kind, 0)).status == "rejected"


@pytest.mark.parametrize("kind", [k for k in OTHER_BONES if k not in HARD])
def test_other_parts_of_the_body_are_rejected(kind):
    assert judge(draw_bones(kind, 0)).status == "rejected"


def test_a_frontal_film_is_rejected():
    film = simulate_film(7_700_000, SimulatorSettings(view="frontal"))
    quality = judge(film.image)
    assert quality.status == "rejected"
    assert quality.reasons[0].code in ("not_lateral", "not_a_spine")


def test_a_simulated_lateral_is_read():
    plain = SimulatorSettings(hardware=0.0, cement=0.0)
    assert judge(simulate_film(7_702_000, plain).image).status != "rejected"
