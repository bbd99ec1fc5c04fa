"""Read one radiograph from any supported file, told apart by content."""

import hashlib
import stat
from pathlib import Path
from typing import Final

from endplate.errors import EndplateError, InputError, UnreachableFile, UnreadableImage
from endplate.geometry.calibration import UNCALIBRATED
from endplate.imaging.calibrate import Pair, check_user_spacing
from endplate.imaging.limits import MAX_FILE_BYTES
from endplate.imaging.radiograph import Radiograph

__all__ = ["read_radiograph", "sniff", "what_it_is"]

#: Beginnings of files that people mistake for radiographs.
_OTHERS: Final[tuple[tuple[bytes, str], ...]] = (
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BM", "a BMP image"),
    (b"GIF8", "a GIF image"),
    (b"\x00\x00\x00\x0cjP", "a bare JPEG 2000 image"),
    (b"\xff\x4f\xff\x51", "a bare JPEG 2000 image"),
    (b"\xff\xd8\xff\xf7", "a bare JPEG-LS image"),
)


def read_radiograph(path: str | Path, *, spacing_mm: Pair | None = None) -> Radiograph:
    """Read a PNG, JPEG, TIFF or single-frame DICOM radiograph.

    Parameters
    ----------
    path : path
        The file; its extension does not matter.
    spacing_mm : (row, column) or None
        Pixel spacing in the plane of the spine that the user measured; wins over the header.

    Returns
    -------
    Radiograph
        Bone bright, with its calibration and notes.

    Raises
    ------
    UnreadableImage
        If the file is no single radiograph that can be decoded.
    InputError
        If the path or the spacing cannot be used.
    """
    if spacing_mm is not None:
        check_user_spacing(spacing_mm)
    shown = _shown(path)
    data = _read_bytes(Path(path), shown)
    try:
        return _from_bytes(data, shown, spacing_mm)
    except EndplateError:
        raise
    except Exception as error:  # whatever a damaged file makes a parser do
        raise UnreadableImage(
            f"{shown}: the file is damaged and cannot be read"
            f" ({type(error).__name__}: {_one_line(error)})"
        ) from error


def sniff(data: bytes) -> str | None:
    """Format of a file by its content: ``"DICOM"``, ``"PNG"``, ``"JPEG"``, ``"TIFF"`` or None."""
    if data[128:132] == b"DICM":
        return "DICOM"
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return "PNG"
    if data[:3] == b"\xff\xd8\xff" and data[3:4] != b"\xf7":
        return "JPEG"
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "TIFF"
    return "DICOM" if _starts_like_dataset(data) else None


def _starts_like_dataset(data: bytes) -> bool:
    """Whether a file without preamble begins with an element of group 2 or 8."""
    for order in ("little", "big"):
        group = int.from_bytes(data[:2], order)
        element = int.from_bytes(data[2:4], order)
        if group in (0x0002, 0x0008) and element <= 0x0100 and len(data) > 16:
            if data[4:6].isalpha() and data[4:6].isupper():
                return True
            length = int.from_bytes(data[4:8], order)
            return length < 1024
    return False


def _from_bytes(data: bytes, shown: str, spacing_mm: Pair | None) -> Radiograph:
    """Decode the bytes of a file."""
    kind = sniff(data)
    if kind is None:
        raise UnreadableImage(f"{shown}: {what_it_is(data)}; expected DICOM, PNG, JPEG or TIFF")
    digest = hashlib.sha256(data).hexdigest()
    if kind == "DICOM":
        # Imported late: pydicom costs 0.15 s that raster files need not wait for.
        from endplate.imaging.dicom import decode_dicom

        return decode_dicom(data, shown, digest, spacing_mm)
    from endplate.imaging.raster import decode_raster

    raster = decode_raster(data, kind, shown)
    calibration = UNCALIBRATED if spacing_mm is None else check_user_spacing(spacing_mm)
    return Radiograph(raster.pixels, calibration, shown, digest, notes=raster.notes)


def _read_bytes(path: Path, shown: str) -> bytes:
    """All bytes of a regular file of sensible size."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise InputError(f"{shown}: is a folder; expected the file of one radiograph")
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{shown}: is no regular file")
        if status.st_size == 0:
            raise UnreadableImage(f"{shown}: the file is empty (0 bytes)")
        if status.st_size > MAX_FILE_BYTES:
            raise UnreadableImage(
                f"{shown}: {status.st_size / 2**30:.1f} GiB, more than the 1 GiB that is read"
            )
        return path.read_bytes()
    except FileNotFoundError:
        raise UnreachableFile(f"{shown}: there is no such file") from None
    except PermissionError:
        raise UnreachableFile(f"{shown}: no permission to read the file") from None
    except OSError as error:
        raise UnreachableFile(f"{shown}: cannot be opened ({_one_line(error)})") from None
    except ValueError as error:  # such as a path with a zero byte
        raise InputError(f"{shown}: cannot be opened ({_one_line(error)})") from None


def what_it_is(data: bytes) -> str:
    """What a file that is no radiograph seems to be, for the message."""
    for start, name in _OTHERS:
        if data.startswith(start):
            return f"is {name}"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "is a WebP image"
    head = data[:512]
    if all(c >= 32 or c in b"\t\r\n\f" for c in head):
        return "is a text file"
    return "is no image of a known format"


def _shown(path: str | Path) -> str:
    """The path for messages and records, printable whatever its bytes."""
    text = str(path).encode("utf-8", "backslashreplace").decode()
    return text.replace("\n", "\\n").replace("\r", "\\r")


def _one_line(error: BaseException) -> str:
    """First 200 characters of an error's text on one line."""
    return " ".join(str(error).split())[:200]
