"""The JSON Schemas of the files that endplate writes."""

import json
from importlib.resources import files
from typing import Any, Final

from endplate.errors import UnknownName

__all__ = ["SCHEMAS", "schema"]

#: Names of all published schemas.
SCHEMAS: Final = ("reading-1", "followup-1", "agreement-1", "cohort-1", "series-1", "batch-1")


def schema(name: str) -> dict[str, Any]:
    """The schema (draft 2020-12) called `name`, such as ``followup-1``.

    Raises
    ------
    UnknownName
        If there is none.
    """
    if name not in SCHEMAS:
        raise UnknownName("schema", name, SCHEMAS)
    path = files("endplate.reports").joinpath("schemas", f"{name}.schema.json")
    out: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return out
