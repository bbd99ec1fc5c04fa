"""The sheet of a slab as a file: so that points on the picture can be told in the patient later."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from endplate.checked import Record
from endplate.errors import InputError
from endplate.geometry.landmarks import FloatArray
from endplate.imaging.ct.curve import CentreLine
from endplate.imaging.ct.slab import Slab

__all__ = ["SLAB_SUFFIX", "Sheet", "read_sheet", "write_sheet"]

#: What the file's name has after that of the reading.
SLAB_SUFFIX: Final = "-slab.json"
_FORM: Final = "endplate/slab/1"
_TABLES: Final = ("height", "left", "front", "turn", "length")
_LONGEST: Final = 5000
_LARGEST_FILE: Final = 4 * 1024 * 1024
_MOST_PIXELS: Final = 4_000_000
_DIGITS: Final = 6


@dataclass(frozen=True, eq=False)
class Sheet:
    """The map of a slab from its picture to the patient.

    Parameters
    ----------
    slab : Slab
        Without its picture.
    size : (rows, columns)
        Of the picture.
    sha256 : str
        Of the CT.
    """

    slab: Slab
    size: tuple[int, int]
    sha256: str


def write_sheet(path: Path, slab: Slab, sha256: str) -> None:
    """Write the map of a slab.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    line = slab.line
    values: dict[str, Any] = {
        "schema": _FORM,
        "sha256": sha256,
        "rows": slab.pixels.shape[0],
        "columns": slab.pixels.shape[1],
        "spacing_mm": slab.spacing,
        "first_length_mm": slab.first_length,
        "first_front_mm": slab.first_front,
        "origin_mm": line.origin.tolist(),
        "axes": line.axes.ravel().tolist(),
        **{name: np.round(getattr(line, name), _DIGITS).tolist() for name in _TABLES},
    }
    try:
        path.write_text(json.dumps(values, allow_nan=False), encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error


def read_sheet(path: Path) -> Sheet:
    """Read the map of a slab.

    Raises
    ------
    InputError
        If the file is none, or breaks the form.
    """
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise InputError(f"{path}: is larger than any map of a slab")
        record = Record(json.loads(path.read_bytes()), str(path))
    except (OSError, ValueError, RecursionError):
        raise InputError(f"{path}: is no map of a slab") from None
    if record.get("schema", None) != _FORM:
        raise record.fail("schema", record.get("schema", None), _FORM)
    rows, columns = record.integer("rows"), record.integer("columns")
    if rows * columns > _MOST_PIXELS:
        raise record.fail("rows", f"{rows} x {columns} pixels", f"at most {_MOST_PIXELS}")
    tables = {name: _table(record, name) for name in _TABLES}
    if len({len(t) for t in tables.values()}) != 1 or len(tables["length"]) < 2:
        raise record.fail("length", "tables of different lengths", "five of the same, 2 or more")
    if not (np.diff(tables["length"]) > 0).all() or not (np.diff(tables["height"]) < 0).all():
        raise record.fail("length", "values out of order", "ascending lengths, descending heights")
    axes = np.array(record.numbers("axes", 9, -1.001, 1.001)).reshape(3, 3)
    if np.isnan(axes).any() or not np.allclose(axes @ axes.T, np.eye(3), atol=1e-4):
        raise record.fail("axes", "oblique axes", "three at right angles")
    origin = np.array(record.numbers("origin_mm", 3, -1e5, 1e5))
    line = CentreLine(origin, axes, **tables)
    slab = Slab(
        np.zeros((1, 1), np.uint16),
        line,
        record.number("spacing_mm", record.get("spacing_mm"), 0.05, 20.0),
        record.number("first_length_mm", record.get("first_length_mm"), -1e5, 1e5),
        record.number("first_front_mm", record.get("first_front_mm"), -1e5, 1e5),
    )
    return Sheet(slab, (rows, columns), record.text("sha256"))


def _table(record: Record, name: str) -> FloatArray:
    values = record.sequence(name)
    if len(values) > _LONGEST:
        raise record.fail(name, f"{len(values)} values", f"at most {_LONGEST}")
    out = np.array(record.numbers(name, len(values), -1e5, 1e5))
    if np.isnan(out).any():
        raise record.fail(name, "a missing value", "numbers")
    return out
