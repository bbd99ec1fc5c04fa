"""Content items of a structured report, as the bytes of a DICOM file.

A report of ours has about 3,000 items. Made as objects of highdicom, each of which checks itself,
they take half a second of the processor; made as bytes at once they take a twentieth of that. A
test holds the items against those of highdicom.

Every function gives one item of a content sequence, in explicit little endian and UTF-8, with its
elements in the order of their tags. `relation` is how the item relates to the one that holds it,
such as ``CONTAINS``.
"""

import struct
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import numpy as np
from pydicom.valuerep import format_number_as_ds

from endplate.geometry.landmarks import FloatArray
from endplate.reports.dicom.codes import STANDARD_CODES, Code

__all__ = [
    "ACQUIRED",
    "CONTAINS",
    "INFERRED",
    "MODIFIER",
    "OBSERVED",
    "PROPERTY",
    "SEPARATE",
    "SOURCE",
    "code",
    "container",
    "element",
    "film_reference",
    "image",
    "item",
    "number",
    "person",
    "referred",
    "region",
    "text",
    "uid",
]

ACQUIRED: Final = "HAS ACQ CONTEXT"
CONTAINS: Final = "CONTAINS"
INFERRED: Final = "INFERRED FROM"
MODIFIER: Final = "HAS CONCEPT MOD"
OBSERVED: Final = "HAS OBS CONTEXT"
PROPERTY: Final = "HAS PROPERTIES"

#: How viewers are to show the items of a container: one by one, with their names.
SEPARATE: Final = "SEPARATE"
#: What a film is to a region, and a point to its number, in the word of the templates.
SOURCE: Final = Code("260753009", "SCT", "Source")

#: Group of most elements of a content item.
_CONTENT: Final = 0x0040
_GRAPHICS: Final = 0x0070
_DECIMAL: Final = 16  # characters of a decimal string
_LONG: Final = frozenset((b"SQ", b"UT"))
_LONG_HEAD: Final = struct.Struct("<HH2sHI")
_SHORT_HEAD: Final = struct.Struct("<HH2sH")
_ITEM_HEAD: Final = struct.Struct("<HHI")


def text(relation: str, name: Code, value: str) -> bytes:
    """A text."""
    return item(_kind(relation, "TEXT", name) + element(0xA160, b"UT", value))


def person(relation: str, name: Code, value: str) -> bytes:
    """A person's name."""
    return item(_kind(relation, "PNAME", name) + element(0xA123, b"PN", value))


def uid(relation: str, name: Code, value: str) -> bytes:
    """A unique identifier."""
    return item(_kind(relation, "UIDREF", name) + element(0xA124, b"UI", value))


def code(relation: str, name: Code, value: Code, modifiers: Iterable[bytes] = ()) -> bytes:
    """A code, perhaps with items that modify it."""
    data = _kind(relation, "CODE", name) + element(0xA168, b"SQ", _code_item(value))
    return item(data + _children(modifiers))


def number(
    relation: str, name: Code, value: float | None, unit: Code, children: Iterable[bytes] = ()
) -> bytes:
    """A number with its unit, or None and the statement that it is not known."""
    data = _kind(relation, "NUM", name)
    if value is None:
        data += element(0xA300, b"SQ", b"")
        data += element(0xA301, b"SQ", _code_item(STANDARD_CODES["unknown"]))
    else:
        data += element(0xA300, b"SQ", item(_unit(unit) + _value(float(value))))
    return item(data + _children(children))


def region(relation: str, name: Code, kind: str, points: FloatArray, film: bytes) -> bytes:
    """Points (N, 2) on a film, x and y from the outer corner of its first pixel.

    Parameters
    ----------
    kind : str
        ``POINT`` or ``POLYLINE``.
    film : bytes
        Of `film_reference`.
    """
    places = np.ascontiguousarray(points, dtype="<f4").tobytes()
    return item(
        _kind(relation, "SCOORD", name)
        + _children((film,))
        + element(0x0022, b"FL", places, _GRAPHICS)
        + element(0x0023, b"CS", kind, _GRAPHICS)
    )


def image(
    relation: str, name: Code, sop_class: str, sop_instance: str, children: Iterable[bytes] = ()
) -> bytes:
    """A film."""
    data = element(0x1199, b"SQ", referred(sop_class, sop_instance), 0x0008)
    return item(data + _kind(relation, "IMAGE", name) + _children(children))


def referred(sop_class: str, sop_instance: str) -> bytes:
    """An item that names a film."""
    return item(
        element(0x1150, b"UI", sop_class, 0x0008) + element(0x1155, b"UI", sop_instance, 0x0008)
    )


def film_reference(sop_class: str, sop_instance: str) -> bytes:
    """The film in which a region was selected."""
    return image("SELECTED FROM", SOURCE, sop_class, sop_instance)


def container(relation: str, name: Code, template: str, children: Iterable[bytes]) -> bytes:
    """A group of items after a template of the standard, ``""`` where none is to be named."""
    data = _kind(relation, "CONTAINER", name) + element(0xA050, b"CS", SEPARATE)
    if template:
        follows = element(0x0105, b"CS", "DCMR", 0x0008) + element(0xDB00, b"CS", template)
        data += element(0xA504, b"SQ", item(follows))
    return item(data + _children(children))


def _children(children: Iterable[bytes]) -> bytes:
    data = b"".join(children)
    return element(0xA730, b"SQ", data) if data else b""


@lru_cache(maxsize=4096)
def _kind(relation: str, kind: str, name: Code) -> bytes:
    """What all items begin with: relation, type and name."""
    return (
        element(0xA010, b"CS", relation)
        + element(0xA040, b"CS", kind)
        + element(0xA043, b"SQ", _code_item(name))
    )


@lru_cache(maxsize=64)
def _unit(unit: Code) -> bytes:
    return element(0x08EA, b"SQ", _code_item(unit))


def _code_item(value: Code) -> bytes:
    return item(
        element(0x0100, b"SH", value.value, 0x0008)
        + element(0x0102, b"SH", value.scheme, 0x0008)
        + element(0x0104, b"LO", value.meaning, 0x0008)
    )


def _value(value: float) -> bytes:
    """A number in full, and as a decimal string of at most 16 characters."""
    decimal = repr(value)
    if len(decimal) > _DECIMAL:
        decimal = format_number_as_ds(value)
    full = element(0xA161, b"FD", struct.pack("<d", value))
    return full + element(0xA30A, b"DS", decimal)


def element(tag: int, vr: bytes, value: bytes | str, group: int = _CONTENT) -> bytes:
    """Tag, representation, length and value; `tag` is the number within the group."""
    data = value.encode() if isinstance(value, str) else value
    if len(data) % 2:
        data += b"\0" if vr == b"UI" else b" "
    if vr in _LONG:
        return _LONG_HEAD.pack(group, tag, vr, 0, len(data)) + data
    return _SHORT_HEAD.pack(group, tag, vr, len(data)) + data


def item(data: bytes) -> bytes:
    """An item of a sequence."""
    return _ITEM_HEAD.pack(0xFFFE, 0xE000, len(data)) + data
