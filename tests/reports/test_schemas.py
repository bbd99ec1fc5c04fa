"""The published JSON Schemas."""

from pathlib import Path

import pytest

import endplate.reports
from endplate.errors import UnknownName
from endplate.reports.schemas_of import SCHEMAS, schema

jsonschema = pytest.importorskip("jsonschema")


def test_every_published_schema_can_be_asked_for() -> None:
    folder = Path(next(iter(endplate.reports.__path__))) / "schemas"
    files = {p.name.removesuffix(".schema.json") for p in folder.glob("*.json")}
    assert files == set(SCHEMAS)


@pytest.mark.parametrize("name", SCHEMAS)
def test_schema_is_one_and_names_its_form(name: str) -> None:
    found = schema(name)
    jsonschema.Draft202012Validator.check_schema(found)
    assert found["additionalProperties"] is False
    form, _, version = name.rpartition("-")
    assert found["properties"]["schema"]["const"] == f"endplate/{form}/{version}"


def test_unknown_schema() -> None:
    with pytest.raises(UnknownName, match="nothing-1"):
        schema("nothing-1")
