"""Every number of the worked examples."""

import math

import pytest

from endplate.geometry.followup import Film, followup
from endplate.geometry.measure import measure
from endplate.geometry.measurement import Measurement

NUMBERS = ("1", "2", "4", "5", "6", "7", "8", "12")


def _name(name: str) -> tuple[str, bool]:
    """Our name of a row of the table, and whether it is about the standard error."""
    is_se = name.startswith("se_")
    name = name.removeprefix("se_").removesuffix("_sigma0p5mm")
    name = name.removesuffix("_anatomy_csv").removesuffix("_if_image_vertical_is_plumb")
    return name.replace("restoration_undefined_", "restoration_pct_"), is_se


def _measured(examples, number):
    example = examples[number]
    return measure(example.vertebrae, example.calibration, index_level=example.index_level)


def _find(measured: tuple[Measurement, ...], name: str, level: str) -> Measurement:
    # The table gives curves at the index level; here they belong to their upper end.
    found = [m for m in measured if m.name == name]
    at_level = [m for m in found if m.level == level]
    assert at_level or len(found) == 1, f"{name} is not among the measurements"
    return (at_level or found)[0]


@pytest.mark.parametrize("number", NUMBERS)
def test_values_of_the_table(examples, number):
    measured = _measured(examples, number)
    if number == "8":
        pre, post = (Film(_measured(examples, x)) for x in ("6", "7"))
        measured += followup("L1", pre, post, Film(measured))
    wrong = []
    for row in examples[number].expected:
        name, is_se = _name(row.name)
        found = _find(measured, name, row.level)
        if row.unit == "flag":
            assert math.isnan(found.value)
            assert "undefined_small_loss" in found.flags
            continue
        value = found.se if is_se else found.value
        if found.unit != row.unit or not abs(value - row.value) <= row.tolerance + 1e-9:
            wrong.append((row, value, found.unit))
    assert not wrong


def test_all_examples_are_tested(examples):
    assert set(examples) == set(NUMBERS)
    assert sum(len(e.expected) for e in examples.values()) == 280
