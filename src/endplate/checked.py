"""Checked access to the fields of a parsed JSON file that somebody else wrote."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final, TypeVar

from endplate.errors import InputError

__all__ = ["Record"]

S = TypeVar("S", bound=str)
_REQUIRED: Final[Any] = object()
_MAX_SIDE: Final = 100_000


@dataclass(frozen=True)
class Record:
    """A JSON object, and how messages name it.

    Parameters
    ----------
    values : dict
        The object; anything else raises `error`.
    where : str
        Such as ``"annotations.json: annotation 7"``.
    error : type of InputError
        What is raised.
    """

    values: Any
    where: str
    error: type[InputError] = InputError

    def __post_init__(self) -> None:
        if not isinstance(self.values, dict):
            raise self.error(f"{self.where}: expected an object with named fields")

    def fail(self, name: str, found: object, expected: str) -> InputError:
        """Error that says where, which field, what was found and what was expected."""
        shown = repr(found)
        if len(shown) > 60:
            shown = shown[:57] + "..."
        return self.error(f"{self.where}: {name} is {shown}; expected {expected}")

    def get(self, name: str, default: Any = _REQUIRED) -> Any:
        """Field `name`; null counts as absent."""
        value = self.values.get(name)
        if value is not None:
            return value
        if default is _REQUIRED:
            raise self.error(f"{self.where}: {name} is missing")
        return default

    def records(self, name: str, kind: str) -> list["Record"]:
        """Objects of the list `name`, each called `kind` and its id in messages."""
        out = []
        for i, item in enumerate(self.sequence(name)):
            known = isinstance(item, dict) and isinstance(item.get("id"), int | str)
            label = str(item["id"])[:40] if known else f"at place {i}"
            out.append(Record(item, f"{self.where}: {kind} {label}", self.error))
        return out

    def record(self, name: str, default: Any = _REQUIRED) -> "Record":
        """The object `name`."""
        return Record(self.get(name, default), f"{self.where}: {name}", self.error)

    def sequence(self, name: str, default: Any = _REQUIRED) -> Sequence[Any]:
        """The list `name`."""
        value = self.get(name, default)
        if not isinstance(value, list | tuple):
            raise self.fail(name, value, "a list")
        return value

    def identifier(self, name: str) -> int | str:
        """An id: a whole number or a text."""
        value = self.get(name)
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise self.fail(name, value, "a whole number or a text")
        return value

    def integer(self, name: str) -> int:
        """A number of pixels, from 1 to 100000."""
        value = self.get(name)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MAX_SIDE:
            raise self.fail(name, value, f"a whole number from 1 to {_MAX_SIDE}")
        return value

    def number(self, name: str, value: object, low: float, high: float) -> float:
        """`value` as a number within bounds; `name` is for the message."""
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not low <= value <= high  # false for NaN too
        ):
            raise self.fail(name, value, f"a number from {low:g} to {high:g}")
        return float(value)

    def optional_number(self, name: str, low: float, high: float, default: Any = None) -> Any:
        """The number `name`, or `default` where it is null or absent."""
        value = self.get(name, None)
        return default if value is None else self.number(name, value, low, high)

    def numbers(self, name: str, count: int, low: float, high: float) -> list[float]:
        """The list `name` of `count` numbers; null is NaN."""
        values = self.sequence(name)
        if len(values) != count:
            raise self.fail(name, values, f"{count} numbers")
        return [math.nan if v is None else self.number(name, v, low, high) for v in values]

    def texts(self, name: str) -> tuple[str, ...]:
        """The list `name` of texts; empty where it is absent."""
        values = self.sequence(name, default=())
        if not all(isinstance(v, str) for v in values):
            raise self.fail(name, list(values), "a list of texts")
        return tuple(values)

    def boolean(self, name: str, default: bool) -> bool:
        """True or false."""
        value = self.get(name, default)
        if not isinstance(value, bool):
            raise self.fail(name, value, "true or false")
        return value

    def text(self, name: str, default: Any = _REQUIRED) -> str:
        """A text, at most 1000 characters."""
        value = self.get(name, default)
        if not isinstance(value, str) or len(value) > 1000:
            raise self.fail(name, value, "a short text")
        if any("\ud800" <= c <= "\udfff" for c in value):
            raise self.fail(name, ascii(value), "a text without halves of characters")
        return value

    def choice(self, name: str, valid: Sequence[S], default: Any = _REQUIRED) -> Any:
        """One of the texts `valid`."""
        value = self.get(name, default)
        if value is not default and value not in valid:
            raise self.fail(name, value, f"one of {', '.join(valid)}")
        return value

    def spacing(self, name: str) -> tuple[float, float] | None:
        """[row, column] in mm, None if absent."""
        value = self.get(name, None)
        if value is None:
            return None
        if not isinstance(value, list) or len(value) != 2:
            raise self.fail(name, value, "[row, column] in mm")
        row, column = (self.number(name, v, low=0.001, high=20.0) for v in value)
        return (row, column)

    def relative_path(self, name: str) -> str:
        """A path below the image folder, so that a file cannot reach for others."""
        value = self.get(name)
        path = PurePosixPath(value.replace("\\", "/")) if isinstance(value, str) else None
        if path is None or not path.parts or path.is_absolute() or ".." in path.parts:
            raise self.fail(name, value, "the path of an image below the image folder")
        return str(path)
