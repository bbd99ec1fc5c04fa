"""DICOM objects as bytes of a file.

Most elements of our objects are kept as they are encoded, in explicit little endian; pydicom would
parse them and encode them anew.
"""

import io
from collections.abc import Iterable
from typing import Final

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element, write_dataset, write_file_meta_info
from pydicom.tag import Tag

__all__ = ["encode_dicom", "encoded_elements", "keep_sequence"]

_UTF_8: Final = "ISO_IR 192"
_PREAMBLE: Final = b"\0" * 128 + b"DICM"


def keep_sequence(dataset: Dataset, keyword: str, items: Iterable[bytes]) -> None:
    """Give a data set a sequence of encoded items (`endplate.reports.dicom.content`).

    It is kept as the bytes that are written, and only parsed where somebody asks for it. Letters
    beyond ASCII are in the character set of the data set.
    """
    tag, data = Tag(keyword), b"".join(items)
    dataset[tag] = RawDataElement(tag, "SQ", len(data), data, 0, False, True)


def encoded_elements(dataset: Dataset) -> bytes:
    """The elements of an item, texts in UTF-8."""
    out = _explicit()
    write_dataset(out, dataset, _UTF_8)
    return out.getvalue()


def encode_dicom(dataset: Dataset) -> bytes:
    """The file of an object.

    Parameters
    ----------
    dataset : Dataset
        With its file meta information; in explicit little endian unless it was read from a file.
    """
    if dataset.original_encoding != (None, None):
        whole = io.BytesIO()
        dataset.save_as(whole, enforce_file_format=True)
        return whole.getvalue()
    out = _explicit()
    out.write(_PREAMBLE)
    write_file_meta_info(out, dataset.file_meta)
    characters = dataset.get("SpecificCharacterSet")
    for tag in sorted(dataset.keys()):
        write_data_element(out, dataset.get_item(tag), characters)
    return out.getvalue()


def _explicit() -> DicomBytesIO:
    out = DicomBytesIO()
    out.is_little_endian, out.is_implicit_VR = True, False
    return out
