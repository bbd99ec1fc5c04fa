"""Measures do not depend on how the film lies, is flipped, scaled or sampled."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from endplate.geometry.calibration import UNCALIBRATED, Calibration
from endplate.geometry.landmarks import Vertebra
from endplate.geometry.measure import measure

#: Names of the measures that need the film's vertical.
NEEDS_VERTICAL = ("sacral_slope_deg",)

transforms = settings(max_examples=25, deadline=None, derandomize=True)


def _moved(vertebrae, matrix, shift=(0.0, 0.0)):
    """Vertebrae under x -> M x + t, with their covariances."""
    big = np.kron(np.eye(6), matrix)
    return [
        Vertebra(v.level, v.points @ matrix.T + shift, big @ v.covariance @ big.T)
        for v in vertebrae
    ]


def _jiggled(vertebrae, seed):
    """The same spine with its points moved at random, so that nothing is special."""
    rng = np.random.default_rng(seed)
    return [
        Vertebra(v.level, v.points + rng.normal(0, 4, (6, 2)), _covariance(rng)) for v in vertebrae
    ]


def _covariance(rng):
    root = rng.normal(size=(12, 12))
    return root @ root.T / 12


def _assert_same(first, second, *, skip=(), length=1.0):
    assert [(m.name, m.level, m.between) for m in first] == [
        (m.name, m.level, m.between) for m in second
    ]
    for a, b in zip(first, second, strict=True):
        if a.name in skip:
            continue
        factor = {"mm": length, "mm2": length**2}.get(a.unit, 1.0)
        expected = [factor * x for x in (a.value, a.se, *a.interval90)]
        np.testing.assert_allclose(
            [b.value, b.se, *b.interval90], expected, rtol=1e-6, atol=1e-7, err_msg=str((a, b))
        )
        assert a.flags == b.flags


@pytest.fixture(scope="module")
def spine(examples):
    """T4 to S1 in square pixels of 1 mm."""
    example = examples["12"]
    scale = np.diag(example.calibration.scale_xy)
    return _moved(example.vertebrae, scale)


MM = Calibration((1.0, 1.0), "user")


@transforms
@given(angle=st.floats(-math.pi, math.pi), seed=st.integers(0, 99))
def test_rotation_and_shift(spine, angle, seed):
    c, s = math.cos(angle), math.sin(angle)
    before = _jiggled(spine, seed)
    after = _moved(before, np.array([[c, -s], [s, c]]), (321.0, -55.0))
    _assert_same(measure(before, MM), measure(after, MM), skip=NEEDS_VERTICAL)


@transforms
@given(
    x=st.sampled_from([1.0, -1.0]),
    y=st.sampled_from([1.0, -1.0]),
    swap=st.booleans(),
    seed=st.integers(0, 99),
)
def test_mirrors_and_axis_flips(spine, x, y, swap, seed):
    matrix = np.diag([x, y])
    if swap:
        matrix = matrix @ np.array([[0.0, 1.0], [1.0, 0.0]])
    before = _jiggled(spine, seed)
    skip = NEEDS_VERTICAL if swap else ()
    _assert_same(measure(before, MM), measure(_moved(before, matrix), MM), skip=skip)


@transforms
@given(factor=st.floats(0.1, 10.0), seed=st.integers(0, 99))
def test_uniform_scale(spine, factor, seed):
    before = _jiggled(spine, seed)
    after = _moved(before, factor * np.eye(2))
    _assert_same(measure(before, MM), measure(after, MM), length=factor)
    _assert_same(measure(before, UNCALIBRATED), measure(after, UNCALIBRATED))


@transforms
@given(row=st.floats(0.1, 2.0), column=st.floats(0.1, 2.0), seed=st.integers(0, 99))
def test_anisotropic_spacing(spine, row, column, seed):
    before = _jiggled(spine, seed)
    after = _moved(before, np.diag([1 / column, 1 / row]))
    _assert_same(measure(before, MM), measure(after, Calibration((row, column), "user")))


def test_aspect_without_spacing(spine):
    after = _moved(spine, np.diag([1.0, 1 / 1.25]))
    plain = measure(spine, UNCALIBRATED)
    _assert_same(plain, measure(after, Calibration(None, "none", aspect=1.25)))


def test_ignored_anisotropy_would_change_angles(spine):
    after = _moved(spine, np.diag([1.0, 1 / 1.25]))
    angles = [
        next(m.value for m in measure(x, UNCALIBRATED) if m.name == "lordosis_L1_S1_deg")
        for x in (spine, after)
    ]
    assert abs(angles[0] - angles[1]) > 3.0
