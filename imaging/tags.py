"""Read elements of a data set without ever failing on what is in them."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

__all__ = [
    "integer",
    "items",
    "number",
    "numbers",
    "pair",
    "raw_bytes",
    "raw_length",
    "text",
    "texts",
    "words",
]


def _values(ds: Dataset, keyword: str) -> list[object]:
    """All values of an element, empty if absent, empty or not convertible."""
    try:
        value = ds.get(keyword)
    except Exception:  # pydicom converts on access, and raises many kinds of errors
        return []
    if value is None or value == "":
        return []
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
        return [value]
    return list(value)


def texts(ds: Dataset, keyword: str) -> tuple[str, ...]:
    """All values of an element as stripped text."""
    out: list[str] = []
    for value in _values(ds, keyword):
        if isinstance(value, bytes):
            value = value.decode("latin-1")
        out.append(str(value).strip(" \0"))
    return tuple(out)


def text(ds: Dataset, keyword: str) -> str:
    """First value of an element as stripped text, ``""`` if absent."""
    found = texts(ds, keyword)
    return found[0] if found else ""


def numbers(ds: Dataset, keyword: str) -> tuple[float, ...]:
    """All values of an element as numbers; NaN where one is no number."""
    out: list[float] = []
    for value in _values(ds, keyword):
        try:
            out.append(float(value))  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            out.append(math.nan)
    return tuple(out)


def number(ds: Dataset, keyword: str) -> float | None:
    """First value of an element as a number, None if absent; NaN if no number."""
    found = numbers(ds, keyword)
    return found[0] if found else None


def pair(ds: Dataset, keyword: str) -> tuple[float, float] | None:
    """Two values of an element as numbers, None if there are not two."""
    found = numbers(ds, keyword)
    return (found[0], found[1]) if len(found) == 2 else None


def integer(ds: Dataset, keyword: str, default: int) -> int:
    """First value of an element as an integer, `default` if absent or no integer."""
    value = number(ds, keyword)
    if value is None or not math.isfinite(value) or abs(value) > 2**40:
        return default
    return int(value)


def items(ds: Dataset, keyword: str) -> tuple[Dataset, ...]:
    """Items of a sequence, empty if absent or damaged."""
    return tuple(v for v in _values(ds, keyword) if isinstance(v, Dataset))


def raw_bytes(ds: Dataset, tag: int) -> bytes | None:
    """Value of an element as the bytes in the file, None if absent."""
    try:
        value = ds.get_item(tag)
    except Exception:
        return None
    found = getattr(value, "value", None)
    return bytes(found) if isinstance(found, (bytes, bytearray, memoryview)) else None


def raw_length(ds: Dataset, tag: int) -> int:
    """Length that an element declares, 0xFFFFFFFF if undefined, 0 if absent."""
    item = ds.get_item(tag)
    if getattr(item, "is_undefined_length", False):
        return 0xFFFFFFFF
    return int(getattr(item, "length", 0) or 0)


def words(ds: Dataset, keyword: str) -> npt.NDArray[np.int64]:
    """Values of a lookup table, whether stored as numbers or as 16-bit words."""
    found = _values(ds, keyword)
    if len(found) == 1 and isinstance(found[0], bytes):
        even = found[0][: len(found[0]) // 2 * 2]
        order = "<u2" if getattr(ds, "is_little_endian", True) in (True, None) else ">u2"
        return np.frombuffer(even, order).astype(np.int64)
    try:
        return np.asarray(found, dtype=np.int64)
    except (TypeError, ValueError, OverflowError):
        return np.empty(0, np.int64)
