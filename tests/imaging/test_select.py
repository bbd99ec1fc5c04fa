"""Rules of selection: what the packaged ones read, and what broken ones say."""

from pathlib import Path
from typing import Any

import pytest

from endplate.errors import EndplateError
from endplate.imaging.scan_entry import Entry, FilmHeader
from endplate.imaging.select import load_selection


def entry(kind: str = "dicom", **header: object) -> Entry:
    if kind != "dicom":
        return Entry("x", "x", 1, kind)  # type: ignore[arg-type]
    values = {"modality": "DX", "rows": 2000, "columns": 1000, **header}
    return Entry("x", "x", 1, "dicom", FilmHeader(**values))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({}, None),
        ({"modality": ""}, None),
        ({"modality": "CT"}, "modality"),
        ({"modality": "CT", "image_type": "ORIGINAL\\PRIMARY\\LOCALIZER"}, None),
        ({"modality": "SR"}, "not_an_image"),
        ({"sop_class": "1.2.840.10008.5.1.4.1.1.88.33"}, "not_an_image"),
        ({"sop_class": "1.2.840.10008.5.1.4.1.1.11.1"}, "not_an_image"),
        ({"sop_class": "1.2.840.10008.5.1.4.1.1.104.1"}, "not_an_image"),
        ({"sop_class": "1.2.840.10008.5.1.4.1.1.1"}, None),
        ({"sop_class": "1.2.840.10008.5.1.4.1.1.1.1"}, None),
        ({"sop_class": "1.2.840.10008.5.1.4.1.1.7"}, None),
        ({"sop_class": "1.2.840.10008.5.1.4.1.1.12.2"}, None),
        ({"frames": 12}, "multi_frame"),
        ({"frames": 1}, None),
        ({"rows": 40}, "too_small"),
        ({"rows": -1, "columns": -1}, None),
        ({"body_part": "Hand"}, "body_part"),
        ({"body_part": "CHEST"}, None),
        ({"body_part": "HAND", "study_description": "L-Spine lat"}, None),
        ({"view_position": "AP"}, "view"),
        ({"view_position": "LL"}, None),
        ({"view_position": "AP", "series_description": "LWS seitlich"}, None),
        ({"view": "antero-posterior"}, "view"),
        ({"view": "left lateral"}, None),
    ],
)
def test_packaged_rules(header: dict[str, Any], reason: str | None) -> None:
    fault = load_selection().leaves_out(entry(**header))
    assert (fault.code if fault else None) == reason
    if fault:
        assert fault.sentence.endswith(".")
        assert "{" not in fault.sentence


def test_raster_files_are_read() -> None:
    assert load_selection().reads(entry("raster"))


def test_own_rules(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        '[[rule]]\naction = "leave"\nreason = "raster"\nsentence = "No {value} here."\n'
        'when.kind = { in = ["raster"] }\n'
    )
    selection = load_selection(path)
    fault = selection.leaves_out(entry("raster"))
    assert fault is not None
    assert (fault.code, fault.sentence) == ("raster", "No raster here.")
    assert selection.reads(entry(modality="CT"))
    assert selection.choice.order[-1] == "first"


_RULE = '[[rule]]\naction = "read"\n'


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("rule = 3", "expected"),
        ("[[rule", "rules"),
        ('[[rule]]\naction = "keep"', "action"),
        (_RULE, "when"),
        (_RULE + "wen.x = 1", "wen"),
        (_RULE + 'when.colour = { in = ["x"] }', "colour"),
        (_RULE + 'when.modality = { is = "x" }', "'is'"),
        (_RULE + 'when.modality = { in = "x" }', "list"),
        (_RULE + 'when.modality = { matches = "(" }', "regular"),
        (_RULE + "when.modality = { below = 3 }", "below"),
        (_RULE + 'when.rows = { below = "3" }', "number"),
        ('[[rule]]\naction = "leave"\nwhen.rows = { below = 3 }', "reason"),
        ('[choose]\norder = ["best"]', "best"),
        ('[choose]\norder = "best"', "list"),
    ],
)
def test_broken_rules_are_told(text: str, named: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(EndplateError, match=named) as caught:
        load_selection(path)
    assert "mine.toml" in str(caught.value)


def test_no_file_of_rules(tmp_path: Path) -> None:
    with pytest.raises(EndplateError, match=r"mine\.toml"):
        load_selection(tmp_path / "mine.toml")
