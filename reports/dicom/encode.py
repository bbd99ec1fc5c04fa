"""DICOM objects as bytes of a file."""

import io
from collections.abc import Iterable
from typing import Any, Final

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.tag import Tag

from endplate.reports.dicom.content import element, item

__all__ = ["encode_dicom", "set_content"]

_UTF_8: Final = "ISO_IR 192"
_CONTENT: Final = Tag(0x0040, 0xA730)


def set_content(document: Dataset, items: Iterable[bytes], before: Iterable[bytes] = ()) -> None:
    """Give the last container of a structured report in explicit little endian and UTF-8 other
    items. The content is from then on kept as the bytes that are written, and only parsed where
    somebody asks for it.

    Parameters
    ----------
    document : Dataset
        The report; the last item of its content is the container.
    items, before : iterable of bytes
        Of `endplate.reports.dicom.content`: the container's, and what stands before it.
    """
    *others, container = document[_CONTENT].value
    del container[_CONTENT]
    assert max(container.keys()) < _CONTENT, "nothing stands behind the content"
    whole = _plain(container) + element(_CONTENT.element, b"SQ", b"".join(items))
    data = b"".join([*map(_encoded, others), *before, item(whole)])
    document[_CONTENT] = RawDataElement(_CONTENT, "SQ", len(data), data, 0, False, True)


def encode_dicom(dataset: Dataset) -> bytes:
    """The file of an object.

    Parameters
    ----------
    dataset : Dataset
        With its file meta information.
    """
    out = io.BytesIO()
    content: Any = dataset.get_item(_CONTENT) if _CONTENT in dataset else None
    if not _is_ready(content):
        dataset.save_as(out, enforce_file_format=True)
        return out.getvalue()
    # pydicom would parse the content and write it anew.
    assert max(dataset.keys()) == _CONTENT, "nothing stands behind the content"
    del dataset[_CONTENT]
    try:
        dataset.save_as(out, enforce_file_format=True)
    finally:
        dataset[_CONTENT] = content
    out.write(element(_CONTENT.element, b"SQ", content.value))
    return out.getvalue()


def _is_ready(content: Any) -> bool:
    """Whether content is kept as `set_content` left it."""
    explicit = isinstance(content, RawDataElement) and not content.is_implicit_VR
    return explicit and content.is_little_endian and content.value is not None


def _encoded(dataset: Dataset) -> bytes:
    """An item of a sequence."""
    return item(_plain(dataset))


def _plain(dataset: Dataset) -> bytes:
    """The elements of an item."""
    out = DicomBytesIO()
    out.is_little_endian, out.is_implicit_VR = True, False
    write_dataset(out, dataset, _UTF_8)
    return out.getvalue()
