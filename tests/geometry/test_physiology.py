"""The table of normal values and magnification."""

import math

import pytest

from endplate.errors import GeometryError, InputError, UnknownName
from endplate.geometry.magnification import magnification
from endplate.geometry.physiology import DEFAULT, Physiology, PhysiologyRow


def test_default_table_has_every_level_above_the_sacrum(table_levels):
    assert table_levels == [f"T{i}" for i in range(1, 13)] + [f"L{i}" for i in range(1, 6)]
    assert DEFAULT.source


@pytest.mark.parametrize(
    ("level", "angle"), [("T10", 9.1), ("T12", 5.6), ("L1", -1.0), ("L2", -10.4), ("L4", -32.5)]
)
def test_physiological_regional_kyphosis(level, angle):
    assert DEFAULT.value(level, "regional_kyphosis_deg") == angle


def test_heights_depth_and_wedge_of_a_row_agree():
    # Ha = Hp - 2 D tan(w / 2); the table's heights were made so, from rounded numbers.
    for row in DEFAULT:
        depth = 0.5 * (row.depth_sup_mm + row.depth_inf_mm)
        wedge = 2 * math.degrees(math.atan((row.hp_mm - row.ha_mm) / (2 * depth)))
        assert wedge == pytest.approx(row.vertebral_kyphosis_deg, abs=0.15)


def test_what_the_table_lacks_is_nan():
    assert math.isnan(DEFAULT.value("L6", "ha_mm"))
    assert math.isnan(DEFAULT.value("L5", "regional_kyphosis_deg"))
    assert math.isnan(DEFAULT.value(None, "ha_mm"))


def test_nonsense_is_refused():
    with pytest.raises(UnknownName):
        PhysiologyRow("L9")
    with pytest.raises(InputError, match="ha_mm"):
        PhysiologyRow("L1", ha_mm=0.0)
    with pytest.raises(InputError, match="regional"):
        PhysiologyRow("L1", regional_kyphosis_deg=math.inf)
    with pytest.raises(InputError, match="L1"):
        Physiology((PhysiologyRow("L1"), PhysiologyRow("L1")), "twice")


@pytest.mark.parametrize(
    ("sid", "oid", "expected"),
    [(1150, 200, 1.21), (1800, 300, 1.20), (1000, 150, 1.18), (1000, 250, 1.33), (1000, 0, 1.0)],
)
def test_magnification(sid, oid, expected):
    assert magnification(sid, oid) == pytest.approx(expected, abs=0.005)


@pytest.mark.parametrize(("sid", "oid"), [(1000, 1000), (1000, -1), (math.nan, 100), (0, 0)])
def test_impossible_distances(sid, oid):
    with pytest.raises(GeometryError, match="between source and detector"):
        magnification(sid, oid)
