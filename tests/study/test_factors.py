"""Factors on standard errors are told from a reading, and renaming keeps them."""

from dataclasses import replace

import pytest

from endplate.geometry.measure import measure
from endplate.study.factors import factors_of, with_factors
from endplate.study.joint_naming import name_jointly, shift_level

FACTORS = {"vertebral_kyphosis_deg": 0.62, "regional_kyphosis_deg": 1.31}


def test_factors_are_those_that_the_errors_were_multiplied_by(visits):
    reading = visits[0]
    assert set(factors_of(reading).values()) == {1.0}
    scaled = replace(reading, measurements=with_factors(reading.measurements, FACTORS))
    found = factors_of(scaled)
    assert {n: found[n] for n in FACTORS} == pytest.approx(FACTORS)
    assert all(f == 1.0 for name, f in found.items() if name not in FACTORS)


def test_a_reading_that_is_renamed_keeps_its_factors(visits):
    scaled = [replace(r, measurements=with_factors(r.measurements, FACTORS)) for r in visits]
    bodies = tuple(replace(v, level=shift_level(v.level, 1)) for v in scaled[1].vertebrae)
    measured = with_factors(measure(bodies, scaled[1].calibration), FACTORS)
    moved = replace(scaled[1], vertebrae=bodies, measurements=measured)
    joint = name_jointly([scaled[0], moved, scaled[2]])
    renamed = [r for r in joint.readings if r.parent is not None]
    assert renamed
    for reading in renamed:
        found = factors_of(reading)
        assert {n: found[n] for n in FACTORS} == pytest.approx(FACTORS)
