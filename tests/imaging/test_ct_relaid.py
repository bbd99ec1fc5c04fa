"""The centre line laid anew through bodies that were found."""

import numpy as np
import pytest

from endplate.imaging.ct.curve import centre_line
from endplate.imaging.ct.relaid import relaid_line
from endplate.imaging.ct.slab import cut_slab
from tests.infer.ct_phantom import Phantom, PhantomSpine, make_phantom

LEVELS = ("T11", "T12", "L1", "L2", "L3")


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    spine = PhantomSpine(lordosis=15, scoliosis=24, rotation=8, levels=LEVELS)
    return make_phantom(spine, (1.0, 1.0, 1.5), seed=3)


def centre_of(phantom: Phantom, level: str) -> np.ndarray:
    return np.asarray(phantom.points_mm[level][[0, 2, 3, 5]].mean(axis=0))


def test_a_line_that_is_off_is_laid_through_the_bodies(phantom: Phantom) -> None:
    # straight from the first body to the last, and turned by ten degrees
    ends = [centre_of(phantom, level) for level in (LEVELS[0], LEVELS[-1])]
    front = np.array([np.sin(0.17), -np.cos(0.17), 0.0])
    sheet = cut_slab(phantom.ct, centre_line(ends, [front, front]))
    bodies = [sheet.to_pixels(phantom.points_mm[level]) for level in LEVELS]
    line = relaid_line(phantom.ct, sheet, bodies)
    laid = cut_slab(phantom.ct, line)
    for level, points in zip(LEVELS, bodies, strict=True):
        before = centre_of(phantom, level) - sheet.to_patient(points[[0, 2, 3, 5]].mean(axis=0))
        pixel = laid.to_pixels(centre_of(phantom, level))
        after = centre_of(phantom, level) - laid.to_patient(pixel)
        assert np.linalg.norm(after) < max(0.5 * float(np.linalg.norm(before)), 2.0)
        front_off = abs(laid.axes_at(pixel)[0] @ phantom.axes[level][1])
        assert np.degrees(np.arcsin(front_off)) < 5
    assert line.length[-1] == pytest.approx(sheet.line.length[-1], abs=12)


def test_few_bodies_or_bodies_out_of_order_leave_the_line_as_it_is(phantom: Phantom) -> None:
    ends = [centre_of(phantom, level) for level in (LEVELS[0], LEVELS[-1])]
    sheet = cut_slab(phantom.ct, centre_line(ends, [np.array([0.0, -1.0, 0.0])] * 2))
    body = sheet.to_pixels(phantom.points_mm["L1"])
    higher, lower = body - np.array([0.0, 9.0]), body + np.array([0.0, 40.0])
    assert relaid_line(phantom.ct, sheet, [body, lower]) is sheet.line
    assert relaid_line(phantom.ct, sheet, [body, higher, lower]) is sheet.line
