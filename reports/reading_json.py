"""Reading files: JSON of the form ``endplate/reading/1``, with its published schema."""

import json
from collections.abc import Sequence
from importlib.resources import files
from math import isfinite
from pathlib import Path
from typing import Any, Final

from endplate.errors import InputError
from endplate.study.reading import Reading
from endplate.study.serialise import reading_from_dict, reading_to_dict

__all__ = ["read_reading", "reading_schema", "reading_text", "readings_text", "write_reading"]

_SPREAD: Final = (dict, list, tuple, str)
_PLAIN: Final = json.JSONEncoder(allow_nan=False, ensure_ascii=False).encode
_QUOTED: Final = json.encoder.encode_basestring


def reading_text(reading: Reading) -> str:
    """The JSON text of a reading, ending in a line break."""
    return _text(reading_to_dict(reading))


def readings_text(readings: Sequence[Reading]) -> str:
    """The JSON text of several readings, as a list."""
    return _text([reading_to_dict(r) for r in readings])


def write_reading(path: str | Path, reading: Reading) -> None:
    """Write a reading file, in UTF-8."""
    Path(path).write_text(reading_text(reading), encoding="utf-8")


def read_reading(path: str | Path) -> Reading:
    """Read a reading file.

    Raises
    ------
    InputError
        If it cannot be read, is no JSON or breaks the format; the message names the field.
    """
    path = Path(path)
    try:
        values = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path.name}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path.name}: no JSON file ({error})") from error
    return reading_from_dict(values, path.name)


def reading_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) that every written reading satisfies."""
    text = files("endplate.reports").joinpath("schemas", "reading-1.schema.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def _text(values: object) -> str:
    return _spread(values, "\n") + "\n"


def _spread(value: object, line: str) -> str:
    """JSON with a field or an object on each line, but lists of numbers on one.

    json.dumps with an indent is written in Python and takes five times as long.

    Parameters
    ----------
    line : str
        Line break and indent of what surrounds the value.
    """
    if isinstance(value, dict) and value:
        inner = line + " "
        fields = [f"{_QUOTED(name)}: {_field(v, inner)}" for name, v in value.items()]
        return f"{{{inner}{f',{inner}'.join(fields)}{line}}}"
    if isinstance(value, list | tuple) and any(isinstance(v, _SPREAD) for v in value):
        inner = line + " "
        return f"[{inner}{f',{inner}'.join([_spread(v, inner) for v in value])}{line}]"
    if isinstance(value, str):
        return _QUOTED(value)
    return _PLAIN(value)


def _field(value: object, line: str) -> str:
    """The same; most fields are numbers and short texts, which need no encoder."""
    if isinstance(value, str):
        return _QUOTED(value)
    if isinstance(value, float) and isfinite(value):
        return float.__repr__(value)
    if value is None:
        return "null"
    return _spread(value, line)
