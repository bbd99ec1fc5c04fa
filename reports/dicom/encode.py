"""DICOM objects as bytes of a file, quickly.

A structured report of ours has about 40,000 elements, half of them in codes that are the same
over and over. pydicom takes a second of the processor to write them; this writer, which knows only
what such objects hold and writes each code once, a fifth of it. The bytes are the same, and what
it does not know it leaves to pydicom.
"""

import io
import struct
from typing import Any, Final

from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element
from pydicom.uid import ExplicitVRLittleEndian

__all__ = ["encode_dicom"]

_UTF_8: Final = "ISO_IR 192"
_CONTENT: Final = 0x0040_A730
_CODE: Final = (0x0008_0100, 0x0008_0102, 0x0008_0104)
_ASCII: Final = frozenset(("CS", "UI"))
_TEXTS: Final = frozenset(("SH", "LO", "ST", "LT", "UC", "UT"))
_LONG: Final = frozenset(("UC", "UT", "SQ"))
_NUMBERS: Final = {"FL": "f", "FD": "d", "US": "H", "UL": "I"}


def encode_dicom(dataset: Dataset) -> bytes:
    """The file of an object.

    Parameters
    ----------
    dataset : Dataset
        With its file meta information.
    """
    out = io.BytesIO()
    quick = (
        _CONTENT in dataset
        and dataset.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
        and dataset.get("SpecificCharacterSet") == _UTF_8
    )
    if not quick:
        dataset.save_as(out, enforce_file_format=True)
        return out.getvalue()
    # The content is the last element but for private ones, of which there are none.
    content = dataset[_CONTENT]
    assert max(dataset.keys()) == _CONTENT, "nothing stands behind the content"
    del dataset[_CONTENT]
    try:
        dataset.save_as(out, enforce_file_format=True)
    finally:
        dataset[_CONTENT] = content
    out.write(_Writer().element(content))
    return out.getvalue()


class _Writer:
    """Writes elements in explicit little endian and UTF-8."""

    def __init__(self) -> None:
        self._codes: dict[tuple[str, ...], bytes] = {}

    def element(self, element: Any) -> bytes:
        """Tag, representation, length and value."""
        vr = str(element.VR)
        value = element.value
        if vr == "SQ":
            data = b"".join([self._item(item) for item in value])
        elif value is None or (isinstance(value, list | tuple) and not value):
            data = b""
        elif vr in _ASCII or vr in _TEXTS:
            data = _text(value)
            if len(data) % 2:
                data += b"\0" if vr == "UI" else b" "
        elif vr in _NUMBERS:
            numbers = [value] if isinstance(value, int | float) else list(value)
            data = struct.pack(f"<{len(numbers)}{_NUMBERS[vr]}", *numbers)
        else:
            return _by_pydicom(element)
        tag = element.tag
        head = struct.pack("<HH2s", tag.group, tag.element, vr.encode())
        if vr in _LONG:
            return head + struct.pack("<HI", 0, len(data)) + data
        if len(data) > 0xFFFF:
            return _by_pydicom(element)
        return head + struct.pack("<H", len(data)) + data

    def _item(self, item: Dataset) -> bytes:
        """An item of a sequence; a code from memory if it was written before."""
        tags = sorted(item.keys())
        if tuple(tags) == _CODE:
            key = tuple(str(item[tag].value) for tag in _CODE)
            known = self._codes.get(key)
            if known is None:
                known = self._codes[key] = self._plain(item, tags)
            return known
        return self._plain(item, tags)

    def _plain(self, item: Dataset, tags: list[Any]) -> bytes:
        data = b"".join([self.element(item[tag]) for tag in tags])
        return struct.pack("<HHI", 0xFFFE, 0xE000, len(data)) + data


def _text(value: Any) -> bytes:
    """One text or several, UTF-8."""
    if isinstance(value, str):
        return value.encode()
    return "\\".join(map(str, value)).encode()


def _by_pydicom(element: Any) -> bytes:
    out = DicomBytesIO()
    out.is_little_endian, out.is_implicit_VR = True, False
    write_data_element(out, element, [_UTF_8])
    return out.getvalue()
