"""Tables of normal values from files that people edited."""

import math

import pytest

from endplate.datasets.physiology import load_physiology, save_physiology
from endplate.errors import InputError
from endplate.geometry.physiology import DEFAULT


def test_round_trip(tmp_path):
    path = tmp_path / "normal.csv"
    save_physiology(path)
    loaded = load_physiology(path)
    assert repr(loaded.rows) == repr(DEFAULT.rows)
    assert loaded.source == "normal.csv"


def test_a_file_replaces_only_what_it_names(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text(
        "level, regional_kyphosis_deg,ha_mm\n\nL1,2.5,\nL6,-20,nan\n", encoding="utf-8-sig"
    )
    loaded = load_physiology(path)
    assert loaded.value("L1", "regional_kyphosis_deg") == 2.5
    assert loaded.value("L1", "ha_mm") == DEFAULT.value("L1", "ha_mm")
    assert loaded.value("T12", "regional_kyphosis_deg") == 5.6
    assert loaded.value("L6", "regional_kyphosis_deg") == -20.0
    assert math.isnan(loaded.value("L6", "ha_mm"))
    assert [r.level for r in loaded][-2:] == ["L5", "L6"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "first line"),
        ("a,b\n1,2\n", "first line"),
        ("level,ha\nL1,2\n", "unknown column 'ha'"),
        ("level,ha_mm\nL1,2,3\n", "line 2: 3 cells"),
        ("level,ha_mm\nL1,2\nL1,3\n", "line 3: level L1 comes a second time"),
        ("level,ha_mm\nL9,2\n", "line 2: unknown level 'L9'"),
        ("level,ha_mm\nL1,tall\n", "line 2, column ha_mm: found 'tall'"),
        ("level,ha_mm\nL1,-3\n", "found -3.0"),
    ],
)
def test_broken_files_say_where(tmp_path, text, message):
    path = tmp_path / "broken.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as error:
        load_physiology(path)
    assert "broken.csv" in str(error.value)


def test_unreadable_files(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        load_physiology(tmp_path / "absent.csv")
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xfe\x00level")
    with pytest.raises(InputError, match="cannot be read"):
        load_physiology(binary)
