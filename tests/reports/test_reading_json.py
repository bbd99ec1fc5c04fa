"""Reading files and their schema."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from endplate.errors import InputError
from endplate.geometry.calibration import CALIBRATION_SOURCES, UNCALIBRATED
from endplate.geometry.levels import LEVELS, POINTS
from endplate.reports.reading_json import (
    read_reading,
    reading_schema,
    reading_text,
    readings_text,
    write_reading,
)
from endplate.study.reading import READING_SCHEMA, Naming, Quality, Reading


def check(values: object) -> None:
    jsonschema.Draft202012Validator(reading_schema()).validate(values)


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(reading_schema())


def test_written_readings_satisfy_the_schema(reading: Reading) -> None:
    check(json.loads(reading_text(reading)))
    check(json.loads(reading_text(replace(reading, calibration=UNCALIBRATED))))
    naming = Naming(0.9, math.inf, {-2: 0, -1: 0.1, 0: 0.9, 1: 0, 2: 0}, {"L1": {"L1": 0.9}})
    check(json.loads(reading_text(replace(reading, naming=naming))))
    rejected = replace(reading, quality=Quality("rejected"), vertebrae=(), measurements=())
    check(json.loads(reading_text(rejected)))
    for one in json.loads(readings_text([reading, rejected])):
        check(one)


def test_the_schema_refuses_what_is_wrong(reading: Reading) -> None:
    values = json.loads(reading_text(reading))
    for change in ({"schema": "x"}, {"more": 1}, {"vertebrae": [{"level": "L9"}]}):
        with pytest.raises(jsonschema.ValidationError):
            check(values | change)
    uncalibrated = values | {"calibration": values["calibration"] | {"spacing_mm": None}}
    with pytest.raises(jsonschema.ValidationError):
        check(uncalibrated)


def test_the_schema_knows_the_names_that_the_code_knows() -> None:
    schema = reading_schema()
    assert tuple(schema["$defs"]["level"]["enum"]) == LEVELS
    properties = schema["properties"]
    assert properties["schema"]["const"] == READING_SCHEMA
    assert tuple(properties["calibration"]["properties"]["source"]["enum"]) == CALIBRATION_SOURCES
    body = properties["vertebrae"]["items"]["properties"]
    assert tuple(body["points"]["properties"]) == POINTS
    assert tuple(body["covariance"]["properties"]) == POINTS


def test_every_field_is_described() -> None:
    schema = reading_schema()
    for name, definition in _properties(schema, ""):
        described = "description" in definition or "$ref" in definition
        assert described, f"{name} has no description"


def _properties(schema: Any, where: str) -> list[tuple[str, Any]]:
    if not isinstance(schema, dict):
        return []
    found = []
    for name, part in schema.get("properties", {}).items():
        found += [(f"{where}/{name}", part), *_properties(part, f"{where}/{name}")]
    for key in ("items", "additionalProperties"):
        found += _properties(schema.get(key), where)
    return found


def test_file_round_trip(tmp_path: Path, reading: Reading) -> None:
    path = tmp_path / "film.json"
    write_reading(path, reading)
    assert reading_text(read_reading(path)) == path.read_text(encoding="utf-8")


def test_numbers_stand_on_one_line_and_texts_are_left_alone(reading: Reading) -> None:
    odd = replace(reading, id='[  1,\n  2 ] "x"', vertebrae=reading.vertebrae[:1])
    text = reading_text(odd)
    assert json.loads(text)["id"] == odd.id
    assert '"superior_anterior": [310.0, 60.0]' in text


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff", b"{}"])
def test_what_is_no_reading_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "film.json"
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"film\.json"):
        read_reading(path)
    with pytest.raises(InputError, match="No such file"):
        read_reading(tmp_path / "none.json")
