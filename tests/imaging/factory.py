"""Small DICOM, PNG and TIFF files made in memory for the tests of `endplate.imaging`."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset

__all__ = ["code", "dicom_bytes", "grey_ramp", "png_bytes", "radiograph", "tiff_bytes"]


def grey_ramp(rows: int = 80, columns: int = 96, top: int = 4095) -> npt.NDArray[np.uint16]:
    """Image of all values from 0 to `top`, darkest at the top left, with some texture."""
    y, x = np.mgrid[0:rows, 0:columns]
    ramp = (y * columns + x) / (rows * columns - 1)
    wave = 0.05 * np.sin(x / 3.0) * np.sin(y / 5.0) * np.sin(np.pi * ramp)
    image: npt.NDArray[np.uint16] = np.rint(np.clip(ramp + wave, 0, 1) * top).astype(np.uint16)
    return image


def code(value: str, meaning: str = "", scheme: str = "SCT") -> Dataset:
    """Item of a code sequence."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def radiograph(pixels: npt.NDArray[Any], **elements: Any) -> Dataset:
    """DX data set of `pixels`; `elements` by keyword are set on top, None deletes one."""
    ds = Dataset()
    ds.SOPClassUID = uid.DigitalXRayImageStorageForPresentation
    ds.SOPInstanceUID, ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.3", "1.2.1", "1.2.2"
    ds.Modality, ds.PatientID, ds.StudyDate = "DX", "P1", "20240131"
    ds.PatientName = "Test^Film"
    ds.Rows, ds.Columns = pixels.shape[:2]
    ds.SamplesPerPixel = 3 if pixels.ndim == 3 else 1
    ds.PhotometricInterpretation = "RGB" if pixels.ndim == 3 else "MONOCHROME2"
    if pixels.ndim == 3:
        ds.PlanarConfiguration = 0
    bits = pixels.dtype.itemsize * 8
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = bits, bits, bits - 1
    ds.PixelRepresentation = int(np.issubdtype(pixels.dtype, np.signedinteger))
    ds.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
    ds["PixelData"].VR = "OB" if bits == 8 else "OW"
    for keyword, value in elements.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    return ds


def dicom_bytes(
    ds: Dataset,
    syntax: str = uid.ExplicitVRLittleEndian,
    *,
    preamble: bool = True,
    compress: bool = False,
    **options: Any,
) -> bytes:
    """File of a data set.

    With `compress`, the pixels are encoded by pydicom's encoders; otherwise they must already
    be what the syntax wants. Without `preamble`, the bare data set is written.
    """
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian if compress else uid.UID(syntax)
    meta.MediaStorageSOPClassUID = ds.SOPClassUID
    meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.file_meta = meta
    if compress:
        ds.compress(syntax, generate_instance_uid=False, **options)
    elif uid.UID(syntax).is_encapsulated:
        ds["PixelData"].is_undefined_length = True
    out = io.BytesIO()
    known = uid.UID(syntax).type == "Transfer Syntax"
    encoding: dict[str, Any] = {} if known else {"implicit_vr": False, "little_endian": True}
    if preamble:
        ds.save_as(out, enforce_file_format=known, **encoding)
        return out.getvalue()
    del ds.file_meta
    implicit = syntax == uid.ImplicitVRLittleEndian
    ds.save_as(out, implicit_vr=implicit, little_endian=syntax != uid.ExplicitVRBigEndian)
    return out.getvalue()


def png_bytes(
    samples: npt.NDArray[Any],
    colour: int,
    bits: int,
    columns: int,
    extra: bytes = b"",
    rows: int | None = None,
) -> bytes:
    """PNG of packed rows.

    Parameters
    ----------
    samples : (rows, bytes per row) uint8 array
        Rows as they are stored, big-endian.
    colour, bits, columns, rows
        Of the header; `rows` by default those of `samples`.
    extra : bytes
        Chunks before the data, made by `chunk`.
    """
    head = struct.pack(">IIBBBBB", columns, rows or len(samples), bits, colour, 0, 0, 0)
    raw = b"".join(b"\0" + row.tobytes() for row in samples)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + extra
        + chunk(b"IDAT", zlib.compress(raw))
        + chunk(b"IEND", b"")
    )


def chunk(kind: bytes, data: bytes) -> bytes:
    """One PNG chunk."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def tiff_bytes(
    image: npt.NDArray[Any],
    tags: dict[int, int] | None = None,
    *,
    order: str = "<",
    pages: int = 1,
    big: bool = False,
) -> bytes:
    """Uncompressed TIFF of an image of one sample; `tags` (number: LONG value) are set on top."""
    kind = np.dtype(image.dtype).newbyteorder(order)  # type: ignore[arg-type]
    pixels = image.astype(kind).tobytes()
    head, entry, number, short = (16, "HHQQ", "Q", "Q") if big else (8, "HHII", "I", "H")
    out = bytearray(b"II" if order == "<" else b"MM")
    out += struct.pack(
        order + ("HHHQ" if big else "HI"), *((43, 8, 0) if big else (42,)), head + len(pixels)
    )
    out += pixels
    rows, columns = image.shape
    fields = {
        256: columns,
        257: rows,
        258: kind.itemsize * 8,
        259: 1,
        262: 1,
        273: head,
        277: 1,
        278: rows,
        279: len(pixels),
        **(tags or {}),
    }
    for page in range(pages):
        out += struct.pack(order + short, len(fields))
        for tag, value in sorted(fields.items()):
            code = 3 if tag in (258, 259, 262, 274, 277, 339) else 4
            packed = struct.pack(order + ("H" if code == 3 else "I"), value)
            packed = packed.ljust(8 if big else 4, b"\0")
            out += struct.pack(order + entry[:3], tag, code, 1) + packed
        size = struct.calcsize(order + number)
        out += struct.pack(order + number, len(out) + size if page + 1 < pages else 0)
    return bytes(out)
